#pragma once

#include "server/access/judgement.hpp"
#include "server/feed/batch.hpp"
#include "server/protocol/event.hpp"
#include "server/protocol/resume_token.hpp"
#include "server/protocol/v1_encode.hpp"
#include "server/session/event_hub.hpp"
#include "server/session/filter_index.hpp"
#include "server/session/grants_topic.hpp"
#include "server/session/principal_watch.hpp"
#include "server/session/record_topic.hpp"
#include "server/session/snapshot_desk.hpp"
#include "server/session/stream_window.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace walcast {

/// Who a walk through the past is for: subscriptions, by what they are about.
struct walk_set {
    std::unordered_map<const record_topic *, std::vector<v1_subscription *>> records;
    std::unordered_map<const grants_topic *, std::vector<v1_subscription *>> grants;
    std::vector<v1_subscription *> events;

    void add(v1_subscription &one);
    [[nodiscard]] bool empty() const { return records.empty() && grants.empty() && events.empty(); }
};

struct walk_step;

/// The place of one shard where the stream meets the subscriptions of protocol v1.
///
/// It stands where the judge stands: a transaction is processed when it has been judged. Then, in this order,
/// what it does to principals counts, what it does to who may read which record counts, its changes go to
/// those who may read them at its commit, and its events. So every session lives at one place of the stream,
/// and what a message says is true there.
///
/// Driven by the shard behind its event_hub, which owns the feed: append() for each batch, judged() when the
/// judge has got further, tick() about once a second. One thread, no locks.
class topic_hub {
  public:
    topic_hub(event_hub &events, const record_classes &classes, const token_seal &seal, services &outside);
    topic_hub(const topic_hub &) = delete;
    topic_hub &operator=(const topic_hub &) = delete;

    void append(const batch &next, const judgement &decided);
    void judged(const judgement &decided);
    void tick();

    // For sessions:
    void add(v1_session &session);
    void remove(v1_session &session);
    /// Has the user's grants followed for a while longer: `following` is services::follow's.
    void keep_following(const std::string &user, std::shared_ptr<void> following);
    void mark_dirty(v1_session &session) { dirty_.push_back(&session); }
    [[nodiscard]] event_hub &events() { return events_; }
    [[nodiscard]] record_index &records() { return records_; }
    [[nodiscard]] grants_desk &grants() { return grants_; }
    [[nodiscard]] principal_watch &principals() { return principals_; }
    [[nodiscard]] filter_index &filters() { return filters_; }
    [[nodiscard]] services &outside() { return outside_; }
    [[nodiscard]] bool ready() const { return events_.ready(); }
    /// The source brings all changes: there is something to subscribe to.
    [[nodiscard]] bool exact() const { return events_.exact() && origin_.system_identifier != 0; }
    [[nodiscard]] const stream_origin &origin() const { return origin_; }
    [[nodiscard]] const stream_window &window() const { return events_.window(); }
    /// The first transaction of which not everything has been told yet: the one that is being processed, or
    /// the next. A session that stops has to go on with it.
    [[nodiscard]] std::uint64_t unfinished() const { return window().processed() - (processing_ ? 1 : 0); }
    /// Everything up to here has been processed: where subscriptions stand that have been sent everything.
    [[nodiscard]] position here() const { return here_; }
    [[nodiscard]] std::int64_t now() const { return events_.now(); }
    /// By the database's clock the commit that is being processed, else now. Microseconds since 1970 UTC.
    [[nodiscard]] std::int64_t moment() const { return moment_ > 0 ? moment_ : now(); }
    /// snapshot_desk::settled.
    [[nodiscard]] lsn settled() const { return desk_.settled(); }
    /// Calls when everything up to here has been processed.
    void when_processed(lsn up_to, std::function<void()> then);

    void join(v1_subscription &one, record_topic &topic) { topic.add(one); }
    void leave(v1_subscription &one);
    /// v1_session::snapshot_arrived is called when the record's newest row is known.
    void want_snapshot(record_topic &topic) { desk_.want(topic); }
    /// Has it brought from its position to where the shard stands, together with others that ask now.
    void want_resume(v1_subscription &one);

    /// Sends what the subscriptions have not been sent of the transactions from `from` on, until one of them
    /// has no room or must ask, or some work has been done: then with `alone`, whose all of them are. Returns
    /// the transaction to go on with; nothing if the feed does not reach back so far.
    std::optional<std::uint64_t> walk(std::uint64_t from, const walk_set &whom, v1_session *alone);

    void write_token(const v1_subscription &of, position at, std::uint64_t subject, char *into) const;
    [[nodiscard]] const token_seal &seal() const { return seal_; }

  private:
    void advance();
    void process(std::uint64_t number);
    void note_verdicts(std::uint64_t up_to);
    void note_grants(std::uint64_t up_to);
    void note_changes(const transaction &segment);
    void note_change(record_topic &topic, const transaction &segment, const change &one,
                     record_change_type type);
    void settle_touched();
    /// `place`: of the segment's first event among `readers`.
    void match_events(const transaction &segment, std::span<const audience_ptr> readers, std::size_t &place);
    [[nodiscard]] std::size_t events_in(std::uint64_t number);
    void walk_through(walk_step &step);
    void walk_record(walk_step &step, const transaction &segment, const change &change);
    void walk_event(walk_step &step, const transaction &segment, position at, const event &what,
                    const audience *readers);
    [[nodiscard]] static shared_frame
    past_frame(const transaction &segment, const change &one, const v1_subscription &to,
               std::vector<std::pair<const projection *, shared_frame>> &made);
    [[nodiscard]] shared_frame encode_event(const event &what, std::int64_t committed_at);
    void arrived(record_topic &topic);
    void resume_all();
    void begin_epoch(const batch &next);
    void overtaken();
    void touch(record_topic &topic);
    void flush_dirty();
    void poll();
    /// Forgets records that nobody has subscribed to any more.
    void sweep();

    event_hub &events_;
    const token_seal &seal_;
    services &outside_;
    record_index records_;
    stream_window &window_; ///< the event_hub's
    snapshot_desk desk_;
    grants_desk grants_;
    principal_watch principals_;
    event_reader reader_;
    filter_index filters_;
    std::unordered_set<v1_session *> sessions_;
    std::vector<v1_session *> dirty_;
    std::uint64_t judged_ = 0;
    std::deque<object_verdict> verdicts_;
    std::deque<grants_report> reports_;
    std::deque<audience_ptr> audiences_; ///< of the events of transactions that were judged and not processed
    std::map<std::uint64_t, std::vector<audience_ptr>> past_audiences_; ///< by transaction
    std::vector<record_topic *> touched_; ///< by the transaction that is being processed
    std::vector<v1_subscription *> resuming_;
    bool resume_soon_ = false;
    bool polling_ = false;
    bool attentive_ = false;       ///< principals are followed, for sessions or for those to come
    std::int64_t deserted_us_ = 0; ///< when a session last ended
    struct followed {
        std::shared_ptr<void> following;
        std::int64_t until_us;
    };
    std::unordered_map<std::string, followed> followed_; ///< users whose sessions have ended
    bool was_ready_ = false;
    std::vector<uuid_text> deserted_;
    bool processing_ = false; ///< the newest that counts as processed is on its way to the sessions
    std::int64_t moment_ = 0; ///< when the transaction being processed was committed; 0: none is
    struct waiter {
        lsn up_to;
        std::function<void()> then;
    };
    std::vector<waiter> waiters_;
    stream_origin origin_;
    std::uint64_t epoch_ = 0;
    position here_;
};

} // namespace walcast
