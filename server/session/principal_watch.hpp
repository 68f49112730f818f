#pragma once

#include "server/access/principal_rules.hpp"
#include "server/access/verdict.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace walcast {

/// Tells sessions what the stream does to their tokens, at exactly the place of the transaction that does it.
///
/// The hub shows it each segment of a transaction as it comes, and lets it tell everybody when the last one
/// is there, before the events of that transaction are offered: the state at commit counts, for the
/// transaction's own events too. One for each shard, on its thread.
///
/// The race with looking up. A look-up's answer is of one snapshot, and the stream is at some other place:
///
///     look-up           database                 stream
///     query begins
///                       delete commits, is in the log
///                                                delete is decoded: nobody has that token yet
///     the row is found  (not visible yet, as a standby is slow)
///     answer: valid     delete is visible
///
/// Nobody would ever hear of the delete again. Hence recent changes are remembered with the numbers of their
/// transactions, and those that the answer's snapshot did not see are made good when it comes. (The other way
/// round, a snapshot that is ahead of the stream, is left to the asker: who waits until the stream has passed
/// what the snapshot could see knows the state at that place.) A change is remembered for a minute at least,
/// and until some snapshot has seen it. If there are too many to remember, only the number is, and an answer
/// that did not see that transaction is in doubt: it must be asked for again.
class principal_watch {
  public:
    class listener {
      public:
        virtual ~listener() = default;
        /// From the journal entry `from` on.
        virtual void principal_changed(const principal_change &what, std::int64_t committed_at_us,
                                       std::uint64_t from) = 0;
    };

    /// Looks at a segment; nobody hears of it yet.
    void read(const transaction &segment);
    /// The transaction is complete, and its first event will be the journal entry `from`. True if anybody was
    /// told something.
    bool complete(std::uint64_t from, std::int64_t now_us);
    /// The stream has a hole before this time: answers from before it say nothing about what comes.
    void begin_anew(std::int64_t now_us);

    /// Tells the listener what happens to this principal, until it watches another one or unwatches.
    void watch(listener &who, const principal &as);
    void unwatch(listener &who);
    /// Makes good what the answer's snapshot did not see. False: it is in doubt.
    [[nodiscard]] bool bring_up_to_date(verdict &answer, std::int64_t now_us);

    [[nodiscard]] std::size_t remembered() const { return changes_; }

    /// Changes of this many rows are remembered; more of them are no doubt one large clean-up.
    static constexpr std::size_t most_changes = 20'000;

  private:
    struct committed {
        std::uint32_t xid;
        std::int64_t committed_at_us;
        std::int64_t at_us; ///< when it came
        bool whole = true;  ///< `changes` are all of them
        std::vector<principal_change> changes;
    };
    /// What a listener is registered under, to find it again.
    struct interest {
        std::int64_t token_id = 0, user_id = 0;
        std::vector<std::string> names;
    };
    template <class Key>
    using index = std::unordered_map<Key, std::unordered_set<listener *>>;

    void find(const principal_change &what, std::unordered_set<listener *> &into) const;
    void forget(std::int64_t now_us);
    template <class Key>
    static void erase(index<Key> &from, const Key &key, listener *who);

    principal_reader reader_;
    std::vector<principal_change> pending_; ///< of the transaction whose last segment has not come
    std::uint32_t pending_xid_ = 0;
    std::int64_t pending_at_us_ = 0;
    std::deque<committed> recent_;
    std::size_t changes_ = 0; ///< in recent_
    visibility newest_seen_;
    std::int64_t newest_asked_us_ = -1; ///< of newest_seen_
    std::int64_t since_us_ = 0;         ///< the stream has no hole since
    index<std::int64_t> by_token_, by_user_;
    index<std::string> by_name_;
    std::unordered_map<listener *, interest> interests_;
};

} // namespace walcast
