#pragma once

#include "server/feed/batch.hpp"
#include "server/feed/feed.hpp"
#include "server/ops/session_probe.hpp"
#include "server/protocol/event.hpp"
#include "server/session/event_journal.hpp"
#include "server/session/filter_index.hpp"
#include "server/session/principal_watch.hpp"
#include "server/session/quota.hpp"
#include "server/session/services.hpp"
#include "server/session/stream_window.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <unordered_set>
#include <vector>

namespace walcast {

class v0_session;

/// What of a session's behaviour is configurable.
struct session_limits {
    std::size_t outbox_bytes;      ///< queued more than this, a session counts as behind
    std::size_t max_event_bytes;   ///< of one event's body
    unsigned max_subscriptions;    ///< of one session
    std::int64_t send_interval_us; ///< an idle session gets `{}` this often
    quota *per_user = nullptr;     ///< sessions of each user on all shards; null: no limit
    // What v1 tells its clients of other limits
    std::size_t max_message_bytes = 0;
    std::size_t sessions_per_user = 0;    ///< 0: no limit
    std::size_t sessions_per_address = 0; ///< likewise
};

/// The place of one shard where events meet sessions: its feed, the journal, the filters, and who is dirty.
///
/// Driven by the shard: append() for every batch of the source, judged() when the readers of more events are
/// known, tick() about once a second. One thread, no locks.
///
/// An event is offered twice: to sessions of administrators as it comes, and to the others when it has been
/// judged. That is the same moment, unless the judge has to ask the database. A batch is matched as a whole,
/// each event encoded at most once, and each session that got something is flushed once at the end, which is
/// what makes a burst cost one write per session instead of one per event.
class event_hub {
  public:
    event_hub(feed::limits bounds, session_limits limits, services &outside, session_probe &probe);
    event_hub(const event_hub &) = delete;
    event_hub &operator=(const event_hub &) = delete;

    void append(const batch &next, std::span<const audience_ptr> readers, std::int64_t now_us);
    /// Who may read the next events that have not been judged, in the order of the stream.
    void judged(std::span<const audience_ptr> readers, std::int64_t now_us);
    void tick(std::int64_t now_us);
    /// Rows that were read from the table because the source may not have brought them: those that the
    /// journal does not have are events like others. Call it when the source has brought all that they might
    /// be among.
    void fill(const std::vector<transaction_ptr> &rows, std::int64_t now_us);

    /// The transactions by number; topic_hub processes them.
    [[nodiscard]] stream_window &window() { return window_; }

    /// Calls `then` once the feed has decoded this far; at once if it has.
    void when_decoded(lsn up_to, std::function<void()> then);

    // For sessions:
    [[nodiscard]] bool ready() const { return ready_; }
    [[nodiscard]] const feed &transactions() const { return feed_; }
    [[nodiscard]] const event_journal &journal() const { return journal_; }
    /// The first journal entry that was not yet known when the source became ready: where a subscription
    /// begins that was made before.
    [[nodiscard]] std::uint64_t ready_since() const { return ready_since_; }
    [[nodiscard]] principal_watch &principals() { return principals_; }
    /// Whether the stream tells of every change that concerns a principal.
    [[nodiscard]] bool exact() const { return exact_; }
    /// When the event of this entry was committed, by the database's clock, as far as it is known: otherwise
    /// when its row was made. Microseconds since 1970.
    [[nodiscard]] std::int64_t committed_at(std::uint64_t number, const event &of) const;
    /// Where the events end that have been judged.
    [[nodiscard]] std::uint64_t judged_end() const {
        return unjudged_.empty() ? journal_.end() : unjudged_.front();
    }
    /// Subscriptions of administrators, and of the others.
    [[nodiscard]] filter_index &filters() { return filters_; }
    [[nodiscard]] filter_index &judged_filters() { return judged_filters_; }
    /// Calls pump() when more events have been judged.
    void await_judge(v0_session &session) { awaiting_.insert(&session); }
    [[nodiscard]] services &outside() { return outside_; }
    [[nodiscard]] session_probe &probe() { return probe_; }
    [[nodiscard]] const session_limits &limits() const { return limits_; }
    [[nodiscard]] std::int64_t now() const { return now_us_; }

    /// The event of a journal entry, if the feed still has its row.
    [[nodiscard]] std::optional<event> event_of(std::uint64_t number);
    /// The event of a transaction that was read from the table.
    [[nodiscard]] std::optional<event> event_of(const transaction &one);
    /// The encoded event of a journal entry; null if it cannot be encoded. Encoded once, then remembered for
    /// a while.
    [[nodiscard]] shared_frame frame_of(std::uint64_t number, const event &of);
    [[nodiscard]] shared_frame encode(const event &of);

    void add(v0_session &session) { sessions_.insert(&session); }
    void remove(v0_session &session);
    /// Asks for a flush at the end of the batch.
    void mark_dirty(v0_session &session) { dirty_.push_back(&session); }

  private:
    struct waiter {
        lsn up_to;
        std::function<void()> then;
    };

    /// An event whose transaction is not complete.
    struct held_event {
        std::uint64_t segment;
        std::uint32_t place;
        log_id id;
    };

    void hold_events(std::uint64_t segment);
    /// The transaction is complete: what it does to principals counts, then its events are offered.
    void release_events();
    void match(const filter_index &among, std::uint64_t first, std::uint64_t end);
    void take(std::span<const audience_ptr> readers);
    void flush_dirty();
    void begin_epoch(const batch &first);
    void wake_waiters();

    feed feed_;
    stream_window window_{feed_};
    event_journal journal_;
    event_reader reader_;
    filter_index filters_;
    filter_index judged_filters_;
    std::deque<std::uint64_t> unjudged_; ///< entries that came with the stream and have no audience yet
    std::uint64_t offered_ = 0;          ///< entries before this have been offered to all
    principal_watch principals_;
    std::vector<held_event> held_;
    std::uint32_t torn_events_ = 0; ///< of a transaction whose end did not come: judged with the next
    session_limits limits_;
    services &outside_;
    session_probe &probe_;
    std::unordered_set<v0_session *> sessions_;
    std::unordered_set<v0_session *> awaiting_;
    std::vector<v0_session *> dirty_;
    std::vector<waiter> waiters_;
    std::uint64_t epoch_ = 0;
    lsn origin_begins_;
    std::int64_t now_us_ = 0;
    bool ready_ = false;
    bool exact_ = false;
    std::uint64_t ready_since_ = 0;
};

} // namespace walcast
