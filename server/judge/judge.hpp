#pragma once

#include "server/access/access_change.hpp"
#include "server/access/access_query.hpp"
#include "server/access/audience.hpp"
#include "server/access/grants.hpp"
#include "server/access/judgement.hpp"
#include "server/access/object_cache.hpp"
#include "server/access/readers.hpp"
#include "server/feed/batch.hpp"
#include "server/feed/visibility.hpp"
#include "server/judge/past_facts.hpp"
#include "server/judge/watched_grants.hpp"
#include "server/judge/watched_objects.hpp"
#include "server/protocol/event.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <span>
#include <unordered_map>
#include <vector>

namespace walcast {

/// Follows the stream behind the source and decides, for each event in turn, who may read its object, as it
/// is at the commit of the event's own transaction.
///
/// A transaction is judged when all of it is there: first all its changes are applied, then its events are
/// judged, so a grant or a revocation in the same transaction counts for every event in it. What the judge
/// does not know it asks the database for, and until the answer is there it stands still: transactions wait
/// in its queue, and events after this one with them. Administrators' sessions need no judge and do not wait.
///
/// The race of every answer: it shows the database at a moment of its own, later than the position where the
/// judge stands, and maybe, for transactions whose commit is in the log and not yet visible, earlier.
/// - An answer is taken only when everything that it can show is in the queue or has been judged (`as_of`).
/// - What it shows of transactions that are still in the queue is taken back: changes of permissions carry
///   the old row; for an object, the old owner is in the `logs` row that Arvados writes with each change.
/// - What it does not show of transactions that were judged: those since the question are applied again; if
///   one of before the question is missing, which takes a commit that waits for a synchronous standby, the
///   question is asked again.
///
/// From a listener come events alone. Then the judge works in *turns*. One takes all batches that have come
/// and all questions that wait; what it needs is read after its beginning, and so after their commits: facts
/// of objects for every turn, grants if one of its events says that they may have changed, and every few
/// seconds. What is decided is as of then, not of the commit. The next turn begins when all of this one is
/// decided, so neither events nor questions can keep the others waiting, and many events cost as little as
/// one.
///
/// Sans-io: driven by one caller at a time, which puts the questions that `ask` gets to the database.
class judge {
  public:
    struct outside {
        std::function<void(access_query)> ask;
        /// What has been decided since the last time, in the order of the stream. Also when it is only that
        /// more transactions have been judged.
        std::function<void(judgement)> judged;
        std::function<void(lsn)> request_position;
        /// A user that was added is part of audiences from now on.
        std::function<void(reader_id)> ready;
    };

    judge(reader_rules rules, outside to);

    void follow(const batch &next, std::int64_t now_us);
    void answer(access_answer given, std::int64_t now_us);
    /// The question got no answer, for a reason that asking again might mend.
    void failed(access_query asked);
    /// About once a second.
    void tick(std::int64_t now_us);

    /// What add_reader() will return.
    [[nodiscard]] reader_id next_reader() const { return grants_.next(); }
    [[nodiscard]] reader_id add_reader(const uuid_text &user);
    void remove_reader(reader_id one);

    /// Whether a reader may read some objects *now*, for what it asks for from the past: at the first moment
    /// when nothing waits to be judged, or with a listener, in the next turn.
    struct question {
        reader_id who; ///< one that is ready; others may read nothing
        std::vector<uuid_text> objects;
        std::function<void(std::vector<bool>)> then; ///< in the order of `objects`
    };
    void decide(question one, std::int64_t now_us);

    /// Has a reader's right to read an object told, in judgements: once as soon as it is known, and whenever
    /// it changes, with the transaction that changed it; until as many calls of unwatch(). With a listener
    /// nobody may read anything here, as nothing could be told in time.
    void watch(reader_id who, const uuid_text &object, std::int64_t now_us);
    void unwatch(reader_id who, const uuid_text &object);

    /// Has what a reader reads by the permission graph told, in judgements: the answer to the ticket, and
    /// what each transaction changes; until as many calls of unwatch_grants(). With a listener nothing is
    /// told.
    [[nodiscard]] std::uint64_t watch_grants(reader_id who, const uuid_text &user);
    void unwatch_grants(reader_id who) { watched_grants_.unwatch(who); }

    /// How many transactions have been judged, since the start; one that was cut off by a new epoch is none.
    [[nodiscard]] std::uint64_t transactions() const { return transactions_; }
    /// Transactions that wait, in bytes.
    [[nodiscard]] std::size_t backlog_bytes() const { return queued_bytes_; }
    struct counts {
        std::uint64_t judged = 0;        ///< events
        std::uint64_t loads = 0;         ///< of users' rows
        std::uint64_t lookups = 0;       ///< of objects
        std::uint64_t retries = 0;       ///< answers that were too old
        std::uint64_t guesses = 0;       ///< objects whose facts at the position could not be told
        std::int64_t last_change_us = 0; ///< when the last change of permissions was applied
    };
    [[nodiscard]] const counts &counted() const { return counts_; }
    [[nodiscard]] grants::usage used() const { return grants_.used(); }

  private:
    /// A transaction or a segment of one; or, without, the place where changes are missing from the stream.
    struct item {
        transaction_ptr segment;
        std::uint64_t batch = 0;
        std::uint64_t epoch = 0; ///< that begins at such a place
    };
    /// Changes that are kept for one question; with more, it is asked again.
    static constexpr std::size_t most_since = 200'000;
    struct outstanding {
        access_query query;
        std::uint64_t recent = 0;         ///< recent_count_ when it was asked
        std::vector<access_change> since; ///< applied since then, if it is about hidden groups
    };

    void run(std::int64_t now_us);
    void judge_queue();
    void begin(const item &next);
    /// With a listener; false if this turn is not over, or there is nothing for another.
    [[nodiscard]] bool begin_turn();
    /// Whether an event of the batch says that permissions may have changed.
    [[nodiscard]] bool tells_of_permissions(const batch &next);
    /// Grants or hidden groups are being read.
    [[nodiscard]] bool loading() const;
    /// False if something is missing, which was asked for.
    [[nodiscard]] bool finish();
    /// Of watched objects and users; false if something is missing, which was asked for.
    [[nodiscard]] bool settle_watched();
    void answer_watched(std::int64_t now_us);
    void answer_grants();
    void hand_over();
    void begin_anew(std::uint64_t epoch);
    void apply(const access_change &change);

    void ask_for_origins();
    /// `waits`: the stream does not stand still for them, so one question at a time will do.
    void ask_for_objects(std::vector<uuid_text> objects, bool waits = false);
    /// Adds what transactions in the queue will ask for.
    void look_ahead(std::vector<uuid_text> &into);
    void ask(access_query query);
    void take(access_answer given);
    [[nodiscard]] bool too_old(const access_answer &given, const outstanding &of) const;
    /// `ahead`: the changes in the queue, in order.
    void take_hidden(access_answer &given, const outstanding &of, std::span<const access_change> ahead);
    void take_objects(const access_answer &given, const outstanding &of, const past_facts &past);
    void decide_waiting(std::int64_t now_us);
    void tell_ready();

    reader_rules rules_;
    outside to_;
    grants grants_;
    object_cache objects_;
    hidden_groups hidden_;
    bool hidden_known_ = false;
    bool hidden_asked_ = false;
    access_change_reader changes_;
    event_reader events_;

    std::deque<item> queue_;
    std::size_t queued_bytes_ = 0;
    lsn decoded_;
    std::uint64_t epoch_ = 0;
    bool polls_ = false; ///< the source is a listener
    std::int64_t polled_at_us_ = 0;
    std::int64_t now_us_ = 0;
    std::uint64_t batches_ = 0;    ///< that have come
    std::uint64_t turn_ = 0;       ///< the last batch of this turn
    bool permissions_old_ = false; ///< for batches that have come since

    // The transaction that is being judged
    std::vector<uuid_text> open_; ///< the objects that decide about its events
    std::int64_t committed_at_ = 0;
    bool in_transaction_ = false; ///< its last segment has not come
    bool unfinished_ = false;     ///< it has, and its events have not been judged

    std::uint64_t transactions_ = 0; ///< judged
    std::uint64_t told_ = 0;         ///< how many of them were handed over
    judgement made_;                 ///< what has not been handed over
    watched_objects watched_{rules_, objects_, hidden_, grants_};
    std::vector<object_verdict> settled_; ///< of the transaction that is being judged
    watched_grants watched_grants_{grants_};
    std::vector<grants_report> settled_grants_; ///< likewise

    std::unordered_map<std::uint64_t, outstanding> asked_; ///< questions without an answer
    std::uint64_t last_query_ = 0;
    std::vector<access_answer> answers_; ///< that are ahead of the stream
    std::vector<access_query> again_;    ///< to be asked again at the next tick
    /// Numbers of the transactions with changes that an answer must show, those that were judged last.
    std::deque<std::uint32_t> recent_;
    std::uint64_t recent_count_ = 0;
    std::size_t weight_ = 0;         ///< of the changes of the transaction being judged
    std::vector<question> waiting_;  ///< with a listener, for the next turn
    std::vector<question> deciding_; ///< what they need to know is being read
    std::vector<reader_id> joining_; ///< not yet ready
    counts counts_;
};

} // namespace walcast
