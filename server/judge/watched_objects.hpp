#pragma once

#include "server/access/access_change.hpp"
#include "server/access/grants.hpp"
#include "server/access/judgement.hpp"
#include "server/access/object_cache.hpp"
#include "server/access/readers.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

namespace walcast {

/// Objects of which readers want to know whether they may read them, and when that changes: the part of the
/// judge that makes object_verdicts.
///
/// What the rule of an object looked at when it was evaluated last are its *keys*. A change of one of them
/// makes the object *dirty*, to be evaluated again when all of the transaction has been applied; so a
/// transaction costs one probe for each change, and what it did and undid itself nobody hears of. Time makes
/// an object dirty too, by a heap of the moments at which something will be trashed.
///
/// The judge tells it of each change before it applies it, calls settle() at the end of each transaction, and
/// answer() when it stands between two of them. What is not known is added to `missing`; the judge asks for
/// it, and when there is news(), calls again. For a change the stream stands still, for an answer it does
/// not. Readers are judged by the rules for who is no administrator, also those who are.
///
/// Deleted objects: `gone` is for who could read it, and may read the event of the deletion, which is decided
/// by its last owner (facts: rules per class). Who begins to watch later is told that it is hidden. Of a
/// container only the requests count, so its own row may come and go.
class watched_objects {
  public:
    watched_objects(const reader_rules &rules, object_cache &objects, const hidden_groups &hidden,
                    grants &readers);

    [[nodiscard]] bool empty() const { return objects_.empty(); }
    [[nodiscard]] std::size_t size() const { return objects_.size(); }

    /// Pairs are counted. The answer comes from answer(); or, if it is known, it is added to `into` now: it
    /// is as of the transaction with this number, which comes next. `settling`: that is being settled.
    void watch(reader_id who, const uuid_text &object, std::uint64_t number, bool settling,
               std::vector<object_verdict> &into);
    void unwatch(reader_id who, const uuid_text &object);
    void remove(reader_id who);
    [[nodiscard]] bool watches(reader_id who, const uuid_text &object) const;

    /// To be called before the change is applied.
    void note(const access_change &change);
    void note_reader(reader_id who);
    /// Nothing is known any more of how things stand.
    void begin_anew();
    /// From now on, or no more: nobody may read anything.
    void forbid(bool all);

    /// At the end of a transaction: whether anything that was told may be wrong.
    [[nodiscard]] bool unsettled();
    /// Evaluates that. False if something is not known.
    [[nodiscard]] bool settle(std::uint64_t number, std::int64_t committed_at_us,
                              std::vector<object_verdict> &into, std::vector<uuid_text> &missing);
    /// Whether answer() has anything to do.
    [[nodiscard]] bool waiting() const { return !asking_.empty() || (!dirty_.empty() && !stuck_); }
    /// Between transactions: answers, and what time has done. `number` is that of the next transaction. What
    /// `dirty` objects miss is added to `missing`, what only answers need to `wanted`.
    void answer(std::uint64_t number, std::int64_t now_us, std::vector<object_verdict> &into,
                std::vector<uuid_text> &missing, std::vector<uuid_text> &wanted);
    /// Something is known that was not.
    void news();
    /// Time has come so far.
    void pass(std::int64_t now_us);

  private:
    using finding = object_verdict::finding;
    struct pair {
        unsigned uses = 0;
        std::optional<finding> told;
        bool asked = false; ///< and not answered
    };
    struct watched {
        uuid_text uuid;
        std::map<reader_id, pair> readers;
        std::vector<uuid_text> keys; ///< in order
        uuid_text owner;             ///< the last one that is known
        bool existed = false;        ///< when it was evaluated last
        unsigned told = 0;           ///< pairs that were told something
        bool stale = false;          ///< what was told may be wrong, before any other transaction comes
        std::int64_t at_us = 0;      ///< the latest time that it was evaluated for: time never goes back
        std::int64_t due_us = object_facts::never; ///< when it is due
    };
    struct evaluation {
        reader_rule rule;
        rule_trace trace;
        std::optional<reader_rule> owners; ///< of one that was deleted
        bool exists = true;
    };
    struct key {
        std::unordered_set<watched *> of;
        bool touched = false;
    };

    /// Whether it is a key.
    bool touch(const uuid_text &what);
    void touch_all();
    void forget(watched &one);
    /// Nothing if something is missing.
    [[nodiscard]] std::optional<evaluation> evaluate(watched &one, std::int64_t at_us,
                                                     std::vector<uuid_text> &missing);
    /// False if it cannot be said of all readers, for whom answers may wait.
    [[nodiscard]] bool tell(watched &one, const evaluation &of, std::uint64_t number, bool answers,
                            std::vector<object_verdict> &into);
    [[nodiscard]] bool whole(const watched &one) const;
    void keep(watched &one, evaluation of);
    void set_keys(watched &one, std::vector<uuid_text> keys);
    void set_due(watched &one, std::int64_t at_us);

    const reader_rules &rules_;
    object_cache &cache_;
    const hidden_groups &hidden_;
    grants &grants_;
    bool forbidden_ = false;
    std::unordered_map<uuid_text, watched> objects_; ///< addresses of elements are stable
    std::unordered_map<reader_id, std::unordered_set<watched *>> readers_;
    std::unordered_map<uuid_text, key> keys_;
    std::vector<uuid_text> touched_;       ///< keys, by the transaction that comes in
    std::unordered_set<watched *> dirty_;  ///< to be evaluated, as what was told may be wrong
    bool stuck_ = false;                   ///< that needs something that is not known
    std::unordered_set<watched *> asking_; ///< somebody waits for an answer
    std::unordered_set<watched *> parked_; ///< likewise, and something is not known
    std::set<std::pair<std::int64_t, watched *>> due_;
};

} // namespace walcast
