#include "server/session/v0_session.hpp"

#include "server/protocol/v0_encode.hpp"
#include "server/protocol/v0_request.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace walcast {

namespace {
constexpr std::int64_t second_us = 1'000'000;
/// A token is looked up again this often: it may have been revoked.
constexpr std::int64_t lookup_interval_us = 60 * second_us;
/// Memory that the filters of one session may hold.
constexpr std::size_t most_filter_bytes = std::size_t{8} << 20;
} // namespace

v0_session::v0_session(event_hub &hub, output &out, std::string token)
    : hub_(hub)
    , out_(out)
    , token_(std::move(token))
    , cursor_(hub.journal().end())
    , last_sent_us_(hub.now()) {
    hub_.add(*this);
    hub_.probe().session_opened();
}

v0_session::~v0_session() {
    hub_.probe().session_closed();
    if (known_ && !live_)
        hub_.probe().caught_up();
    for (auto &one : subscriptions_)
        hub_.filters().erase(one);
    hub_.remove(*this);
}

void v0_session::start() {
    look_up_token();
}

void v0_session::look_up_token() {
    looked_up_us_ = hub_.now();
    hub_.outside().authenticate(token_, [self = weak_from_this()](std::optional<principal> who) {
        if (const auto session = self.lock())
            session->authenticated(std::move(who));
    });
}

bool v0_session::may_read() const {
    return who_ && who_->sees_everything();
}

void v0_session::authenticated(std::optional<principal> who) {
    const bool could = may_read();
    who_ = std::move(who);
    if (who_ && !counted_ && !count_user())
        return;
    if (!known_) {
        known_ = true;
        hub_.probe().fell_behind(); // until pump has caught up
    }
    if (may_read() && !could) {
        for (auto &one : subscriptions_)
            hub_.filters().insert(one);
    } else if (could && !may_read()) {
        for (auto &one : subscriptions_)
            hub_.filters().erase(one);
    }
    pump();
}

bool v0_session::count_user() {
    counted_ = hub_.limits().per_user ? hub_.limits().per_user->take(who_->user_uuid) : quota::slot();
    if (counted_)
        return true;
    hub_.probe().refused_user();
    closed_ = true;
    out_.close(close_code::policy_violation, "too many sessions of this user");
    return false;
}

void v0_session::reply(std::string_view text) {
    out_.send({}, make_frame(std::string(text)));
    last_sent_us_ = hub_.now();
    if (!dirty_)
        out_.flush();
}

void v0_session::send(const shared_frame &body) {
    std::array<char, v0_prefix_max> prefix;
    const auto length = write_msg_id_prefix(prefix.data(), ++msg_id_);
    out_.send({prefix.data(), length}, body);
    last_sent_us_ = hub_.now();
    ++uncounted_;
}

bool v0_session::has_room() const {
    return out_.queued_bytes() < hub_.limits().outbox_bytes;
}

void v0_session::set_live(bool live) {
    if (live == live_)
        return;
    live_ = live;
    if (live)
        hub_.probe().caught_up();
    else
        hub_.probe().fell_behind();
}

void v0_session::receive(std::string_view message) {
    std::visit(
        [this](auto &&request) {
            using T = std::decay_t<decltype(request)>;
            if constexpr (std::is_same_v<T, v0_subscribe>) {
                subscribe(std::move(request.filter), request.last_log_id);
            } else if constexpr (std::is_same_v<T, v0_unsubscribe>) {
                unsubscribe(request.canonical);
            } else if constexpr (std::is_same_v<T, v0_bad_request>) {
                hub_.probe().bad_request();
                reply(v0_bad);
            }
        },
        parse_v0_request(message));
}

bool v0_session::wants_input() const {
    return replays_.empty() && out_.queued_bytes() < 2 * hub_.limits().outbox_bytes;
}

void v0_session::subscribe(event_filter filter, std::optional<log_id> last_log_id) {
    if (subscriptions_.size() >= hub_.limits().max_subscriptions ||
        filter_bytes_ + filter.footprint() > most_filter_bytes) {
        hub_.probe().bad_request();
        return reply(v0_bad);
    }
    filter_bytes_ += filter.footprint();
    auto &added = subscriptions_.emplace_back();
    added.owner = this;
    added.filter = std::make_shared<const event_filter>(std::move(filter));
    added.since = hub_.journal().end();
    added.floating = !hub_.ready();
    if (may_read())
        hub_.filters().insert(added);
    reply(v0_ok);
    if (last_log_id) {
        if (live_) {
            set_live(false);
            cursor_ = hub_.journal().end();
        }
        // What is owed is worked out by pump(), when the journal is complete and the token known.
        auto &owed = replays_.emplace_back();
        owed.of = &added;
        owed.after = *last_log_id;
    }
    pump();
}

void v0_session::unsubscribe(std::string_view canonical) {
    const auto found =
        std::find_if(subscriptions_.begin(), subscriptions_.end(),
                     [&](const subscription &one) { return one.filter->canonical() == canonical; });
    if (found == subscriptions_.end()) {
        hub_.probe().bad_request();
        return reply(v0_bad);
    }
    filter_bytes_ -= found->filter->footprint();
    hub_.filters().erase(*found);
    subscriptions_.erase(found);
    reply(v0_ok);
}

void v0_session::offer(const subscription &matched, std::uint64_t number, const event &what) {
    if (!live_ || matched.since > number || offered_ > number)
        return;
    offered_ = number + 1;
    if (!who_->alive(hub_.now()))
        return;
    const auto body = hub_.frame_of(number, what);
    if (!body)
        return;
    send(body);
    if (!dirty_) {
        dirty_ = true;
        hub_.mark_dirty(*this);
    }
    if (!has_room())
        out_.flush();
    if (!has_room()) {
        set_live(false);
        cursor_ = number + 1;
        out_.request_writable();
    }
}

void v0_session::flush() {
    dirty_ = false;
    out_.flush();
    if (uncounted_)
        hub_.probe().delivered(std::exchange(uncounted_, 0));
}

void v0_session::tick() {
    if (closed_)
        return;
    if (hub_.now() - looked_up_us_ >= lookup_interval_us && known_)
        look_up_token();
    if (hub_.now() - last_sent_us_ >= hub_.limits().send_interval_us && out_.queued_bytes() == 0)
        reply(v0_idle);
    if (ask_again_us_ && hub_.now() >= *ask_again_us_) {
        ask_again_us_.reset();
        waiting_ = false;
        pump();
    }
}

void v0_session::settle_floating() {
    for (auto &one : subscriptions_)
        if (std::exchange(one.floating, false))
            one.since = std::max(one.since, hub_.ready_since());
    if (replays_.empty() && !looked_at_ready_) // nobody here wants what the feed was refilled with
        cursor_ = std::max(cursor_, hub_.ready_since());
    looked_at_ready_ = true;
}

void v0_session::pump() {
    if (live_ || waiting_ || closed_ || !known_ || !hub_.ready())
        return;
    settle_floating();
    if (may_read())
        work();
    else
        replays_.clear();
    if (replays_.empty() && (cursor_ >= hub_.journal().end() || !may_read())) {
        reread_.clear();
        set_live(true); // and offered nothing if it may not read, being in no index
    }
    flush();
    out_.resume_input();
    if (!live_ && !waiting_ && !closed_)
        out_.request_writable();
}

} // namespace walcast
