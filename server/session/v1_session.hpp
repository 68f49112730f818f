#pragma once

#include "server/access/principal.hpp"
#include "server/protocol/v1_encode.hpp"
#include "server/protocol/v1_request.hpp"
#include "server/session/output.hpp"
#include "server/session/principal_watch.hpp"
#include "server/session/protocol_session.hpp"
#include "server/session/quota.hpp"
#include "server/session/record_topic.hpp"
#include "server/session/v1_subscription.hpp"

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace walcast {

class topic_hub;
struct walk_set;

/// One client that speaks protocol v1 (docs/protocol-v1.md).
///
/// A session is *flowing* while it takes what the hub offers it at the place where the hub stands. It is not
/// while its outbox is full, or while it is not known whom it speaks for: then it stands at `cursor_`, offers
/// pass it by, and pump() walks the feed from there when it can. So there is no queue, and what a client
/// that does not read costs is bounded by its outbox. Each subscription knows the newest change that it was
/// sent, so a walk that begins amid a transaction repeats nothing.
class v1_session : public protocol_session,
                   public principal_watch::listener,
                   public std::enable_shared_from_this<v1_session> {
  public:
    v1_session(topic_hub &hub, output &out, std::string token);
    ~v1_session() override;

    void start() override;
    void receive(std::string_view message) override;
    [[nodiscard]] bool wants_input() const override;
    void writable() override;
    void goodbye() override;

    // From the hub, at the place where it stands:
    void principal_changed(const principal_change &what, std::int64_t committed_at_us,
                           std::uint64_t from) override;
    /// Who may read the record of the subscription may have changed, or the record has: `fresh`.
    void settle(v1_subscription &one, const std::vector<record_change> &fresh);
    void offer_event(v1_subscription &one, position at, const event &what, const audience *readers,
                     const shared_frame &body);
    /// The newest row of the record is in its topic.
    void snapshot_arrived(v1_subscription &one);
    /// The stream goes on elsewhere: everything that it has told means nothing.
    void begin_anew(v1_reset why);
    /// The past has been read again: who was stopped meanwhile, and had to wait for that, goes on.
    void hub_ready();
    void pump();
    void flush();
    void tick();

    // From a walk through the past:
    [[nodiscard]] bool has_room() const;
    void send_change(v1_subscription &one, position at, const shared_frame &body);
    /// An event of the past: false if it must be asked first whether the user may read it; then it was.
    [[nodiscard]] bool send_past_event(v1_subscription &one, std::uint64_t number, position at,
                                       const event &what, const audience *readers, const shared_frame &body);
    /// An event behind one that must be asked about: if it must be, too, then that is one question.
    void foresee(std::uint64_t number, position at, const event &what, const audience *readers);
    /// Something must be asked, and there may be more of it.
    [[nodiscard]] bool asks_more() const { return !undecided_.empty() && undecided_.size() < most_undecided; }
    /// There is no room: it will go on at this transaction.
    void stop_at(std::uint64_t number);
    /// A subscription that resumes has been sent everything, up to where the hub stands.
    void resumed(v1_subscription &one);
    void reset(v1_subscription &one, v1_reset why);

    [[nodiscard]] reader_id reader() const { return reader_; }
    [[nodiscard]] bool flowing() const { return flowing_; }

  private:
    // v1_principal.cpp: whom it speaks for
    void look_up_token(std::int64_t not_before_us);
    void authenticated(verdict answer);
    void become(principal who);
    /// The rights have changed: which records may be read is looked at again.
    void recheck();
    void refuse_token();
    void lose_token();
    void suspend();
    void follow_grants();
    void tick_principal();
    [[nodiscard]] bool alive() const;
    [[nodiscard]] bool is_admin() const { return who_ && who_->is_admin; }
    [[nodiscard]] bool allowed_by_scopes(std::string_view uuid) const;
    [[nodiscard]] std::uint64_t subject() const;

    // v1_subscribe.cpp, v1_grants.cpp
    void subscribe(v1_subscribe request);
    void unsubscribe(const std::string &id);
    void subscribe_record(v1_subscription made, const v1_subscribe &request, std::string_view uuid);
    void subscribe_events(v1_subscription made, const v1_subscribe &request);
    void subscribe_grants(v1_subscription made, const v1_subscribe &request, std::string_view user);
    /// Of a record, or a user's grants: what it is about, what the judge is asked, whether that is under way.
    [[nodiscard]] static uuid_text subject_of(const v1_subscription &one);
    void confirm(v1_subscription &one);
    [[nodiscard]] static bool is_asked(const v1_subscription &one);
    /// A walk can bring it further.
    [[nodiscard]] static bool is_known(const v1_subscription &one);
    /// Its changes are known from where it stands on.
    [[nodiscard]] bool reaches(const v1_subscription &one);
    /// May it be seen? What is not known is asked.
    void check(v1_subscription &one);
    void watch(v1_subscription &one);
    void resume(v1_subscription &one, position at, std::int64_t row_id);
    /// The token is ahead of where this shard stands: of another shard, or of another database.
    void wait_for(v1_subscription &one, const std::string &token, position at);
    [[nodiscard]] bool may_see(const v1_subscription &one) const;
    /// It may be read: from the token on, or from a snapshot.
    void begin(v1_subscription &one);
    /// The snapshot, at once if the record's newest row is known.
    void want_state(v1_subscription &one);
    void send_snapshot(v1_subscription &one);
    /// The reason why the token does not do; nothing if it does, and `at` is its position.
    [[nodiscard]] std::optional<v1_reset> look_at_token(const v1_subscription &one, std::string_view token,
                                                        position &at, std::int64_t &row_id) const;
    void silence(v1_subscription &one, std::string_view reason);
    void restore(v1_subscription &one);
    void end(v1_subscription &one);
    void fail(std::string_view id, v1_error code, std::string_view message);
    /// To the client it is as if the record were not there.
    void not_found(v1_subscription &one);

    void send(std::string message);
    void send_live(v1_subscription &one);
    void send_latest(v1_subscription &one);
    void catch_up();
    void ask_decisions();
    /// Nothing: it must be asked.
    [[nodiscard]] std::optional<bool> may_see_past(std::uint64_t number, position at,
                                                   const audience *readers) const;
    [[nodiscard]] v1_subscription *find(std::string_view id);

    /// Events of the past in one question.
    static constexpr std::size_t most_undecided = 500;

    topic_hub &hub_;
    output &out_;
    std::string token_;
    std::optional<principal> who_;
    std::optional<quota::slot> counted_;
    bool looking_ = false;  ///< the token is being looked up
    bool in_doubt_ = false; ///< whom it speaks for has to be looked up again; nothing is sent
    bool announce_ = false; ///< the client is to be told whom the token speaks for
    std::int64_t looked_up_us_ = 0;
    std::int64_t doubted_at_us_ = 0;
    std::uint64_t asked_as_ = 0; ///< the token that was asked about last: answers about others are late
    std::shared_ptr<void> following_;
    reader_id reader_ = reader_id::none;
    std::uint64_t reader_since_ = 0; ///< audiences of transactions from here on know it

    std::list<v1_subscription> subscriptions_;
    std::map<std::string, v1_subscription *, std::less<>> by_id_;
    std::size_t filter_bytes_ = 0;
    bool flowing_ = true;
    std::uint64_t cursor_ = 0; ///< the transaction to go on with, while not flowing
    bool dirty_ = false;
    bool closed_ = false;
    bool deciding_ = false;
    std::map<position, bool> decisions_; ///< on events of the past
    std::vector<std::pair<position, uuid_text>> undecided_;
    std::int64_t last_sent_us_ = 0;
    std::int64_t placed_us_ = 0; ///< when a ping last had a token
};

} // namespace walcast
