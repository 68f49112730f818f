#pragma once

#include "server/access/verdict.hpp"
#include "server/protocol/event.hpp"
#include "server/session/event_hub.hpp"
#include "server/session/output.hpp"
#include "server/session/principal_history.hpp"
#include "server/session/principal_watch.hpp"
#include "server/session/protocol_session.hpp"
#include "server/session/replay.hpp"
#include "server/session/v0_subscription.hpp"

#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace walcast {

/// One client of the arvados-ws protocol (docs/protocol-v0.md).
///
/// A session is a cursor in the hub's journal, not a queue. While it is *live* the hub offers it each event
/// as it comes. When its outbox is full, its token is still being looked up, or it replays, it is not live:
/// offers are ignored, and pump() later goes through the journal from the cursor, until it has caught up. So
/// every path sends in journal order, and how an event got there (live, replayed, caught up) cannot be told
/// from outside.
///
/// Every state that is not live has exactly one thing that will call pump(): the answer that `waiting_` is
/// for (or tick(), when the answer was an error), or output::request_writable, or the hub becoming ready, or,
/// while it is not known whom the session speaks for, the answer to that. Owned by its connection; a
/// shared_ptr only so that answers of services can tell whether it still exists.
class v0_session : public protocol_session,
                   public principal_watch::listener,
                   public std::enable_shared_from_this<v0_session> {
  public:
    v0_session(event_hub &hub, output &out, std::string token);
    ~v0_session() override;
    v0_session(const v0_session &) = delete;
    v0_session &operator=(const v0_session &) = delete;

    // From the connection:
    /// Has the token looked up.
    void start() override;
    void receive(std::string_view message) override;
    /// False while a replay runs (arvados-ws reads nothing then either) or replies pile up unread.
    [[nodiscard]] bool wants_input() const override;
    void writable() override { pump(); }

    // From the hub:
    void offer(const subscription &matched, std::uint64_t number, const event &what);
    /// What comes from this journal entry on is not offered; the session has to see to it.
    void fall_behind(std::uint64_t number, const filter_index &offered_to);
    void flush();
    void tick();
    /// Sends what can be sent from the cursor on. Harmless at any time.
    void pump();

    /// What is known of the token is not to be relied on from here on: it is looked up, and nothing from
    /// there on is sent until the answer has come.
    void suspend(std::uint64_t from);

    // From the stream, through the hub's principal_watch:
    void principal_changed(const principal_change &what, std::int64_t committed_at_us,
                           std::uint64_t from) override;

    /// Who it speaks for now; nobody while that is not known.
    [[nodiscard]] const std::optional<principal> &who() const { return who_.now().who; }

  private:
    /// Whether an event is for this session.
    enum class permission : std::uint8_t {
        granted,
        denied,
        unknown,   ///< nobody vouches for the token by the time of its commit: ask first
        undecided, ///< the user may read it or not: ask first
    };

    void subscribe(event_filter filter, std::optional<log_id> last_log_id);
    void unsubscribe(std::string_view canonical);
    void authenticated(verdict answer);
    void look_up_token(std::int64_t not_before_us);
    void tick_principal();
    /// From the journal entry `from` on it speaks for `who`, or nobody.
    void become(std::uint64_t from, std::optional<principal> who);
    /// Puts the subscriptions into the index where they belong, as the rights of now want it.
    void reindex();
    /// Has the user's grants followed, if it is no administrator.
    void follow_grants();
    /// Whom it speaks for and what that one may read is known, so what comes is decided exactly; or it has
    /// taken too long to wait for.
    [[nodiscard]] bool settled() const;
    [[nodiscard]] bool awaits_grants() const;
    /// Where entries end that it might be sent now; and where those end that it must have been.
    [[nodiscard]] std::uint64_t frontier() const;
    [[nodiscard]] std::uint64_t limit() const;
    /// Asks which of the events from `from` on the user may read, if they are wanted.
    void ask_decisions(std::uint64_t from, std::uint64_t end, const subscription *replayed);
    void decide(std::vector<std::pair<log_id, uuid_text>> events, std::function<void()> then);
    void decide_scanned(log_rows read);
    /// By what counted when the event was committed; if it was asked for (a replay), by what counts now.
    [[nodiscard]] permission judge(std::uint64_t number, const event &what, bool asked_for) const;
    [[nodiscard]] permission judge_token(const principal &who, std::int64_t committed_at,
                                         const event &what) const;
    /// What was asked for this event.
    [[nodiscard]] permission decided(log_id id) const;
    /// False if the user has too many sessions: then this one is closed.
    [[nodiscard]] bool count_user(const std::string &user_uuid);

    void reply(std::string_view text);
    void send(const shared_frame &body);
    [[nodiscard]] bool has_room() const;
    [[nodiscard]] bool may_read() const;
    void set_live(bool live);

    void settle_floating();
    void work();
    void advance_replay(replay &now);
    /// Begins behind `after`, if the journal has it.
    [[nodiscard]] bool resume_in_journal(replay &now);
    void ask_scan(replay &now);
    void send_scanned(replay &now, const log_rows &read);
    /// Walks the journal from `next` to `end`, as far as there is room, rows and patience.
    void advance(std::uint64_t &next, std::uint64_t end, const subscription *replayed);
    /// Whether this journal entry is due now: by the replay of one subscription, or by any subscription.
    [[nodiscard]] bool wanted(std::uint64_t number, const event &what, const subscription *replayed) const;
    [[nodiscard]] std::optional<event> event_of(std::uint64_t number);
    void read_missing(std::uint64_t from, std::uint64_t end);
    /// The answer was an error: goes on waiting, and has tick() call pump(), which asks once more.
    void ask_later();
    void answered();

    event_hub &hub_;
    output &out_;
    std::string token_;
    principal_history who_;
    std::optional<quota::slot> counted_;         ///< among the sessions of its user, since the user is known
    bool met_ = false;                           ///< the token has been looked up once
    bool asking_ = false;                        ///< it is being looked up
    bool in_doubt_ = false;                      ///< it has to be looked up again
    filter_index *index_ = nullptr;              ///< of the hub: which has the subscriptions
    std::shared_ptr<void> following_;            ///< the user's grants
    reader_id reader_ = reader_id::none;         ///< in audiences, when they are there
    std::uint64_t reader_since_ = 0;             ///< audiences of entries from here on know it
    std::unordered_map<log_id, bool> decisions_; ///< that were asked for last
    std::int64_t opened_us_ = 0;
    bool live_ = false; ///< the cursor is the journal's end; the hub's offers are taken
    bool looked_at_ready_ = false;
    bool waiting_ = false; ///< for an answer of services, or for when to ask again
    bool dirty_ = false;   ///< in the hub's list of sessions to flush
    bool closed_ = false;
    std::uint64_t cursor_ = 0; ///< the next journal entry to look at, while not live
    std::uint64_t offered_ =
        0; ///< one past the newest entry sent while live: several subscriptions may match it
    std::uint64_t msg_id_ = 0;
    std::uint64_t uncounted_ = 0; ///< events sent since the metrics were told
    std::size_t filter_bytes_ = 0;
    std::int64_t last_sent_us_ = 0;
    std::int64_t looked_up_us_ = 0;
    std::int64_t doubted_at_us_ = 0;           ///< only a look-up from after this ends the doubt
    std::optional<std::int64_t> ask_again_us_; ///< when, after an answer that was an error
    std::int64_t patience_us_ = 0;             ///< how long that was put off
    std::list<subscription> subscriptions_;    ///< in the order made; the index holds their addresses
    std::deque<replay> replays_;
    std::unordered_map<log_id, transaction_ptr>
        reread_;                   ///< rows that the feed had dropped, for the entries ahead
    std::uint64_t reread_end_ = 0; ///< entries before this have been asked for
};

} // namespace walcast
