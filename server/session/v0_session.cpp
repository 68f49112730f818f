#include "server/session/v0_session.hpp"

#include "server/feed/elapsed.hpp"
#include "server/protocol/v0_encode.hpp"
#include "server/protocol/v0_request.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace walcast {

namespace {
/// Memory that the filters of one session may hold.
constexpr std::size_t most_filter_bytes = std::size_t{8} << 20;
} // namespace

v0_session::v0_session(event_hub &hub, output &out, std::string token)
    : hub_(hub)
    , out_(out)
    , token_(std::move(token))
    , cursor_(hub.journal().end())
    , last_sent_us_(hub.now()) {
    opened_us_ = hub.now();
    hub_.add(*this);
    hub_.probe().session_opened();
}

v0_session::~v0_session() {
    hub_.probe().session_closed();
    if (met_ && !live_)
        hub_.probe().caught_up();
    hub_.principals().unwatch(*this);
    for (auto &one : subscriptions_)
        if (index_)
            index_->erase(one);
    hub_.remove(*this);
}

bool v0_session::may_read() const {
    return who() && who()->exists;
}

std::uint64_t v0_session::frontier() const {
    return who() && !who()->is_admin ? hub_.judged_end() : hub_.journal().end();
}

std::uint64_t v0_session::limit() const {
    const bool judged = who_.any_from(cursor_, [](const principal &one) { return !one.is_admin; });
    return std::min(judged ? hub_.judged_end() : hub_.journal().end(), who_.known_until());
}

bool v0_session::count_user(const std::string &user_uuid) {
    counted_ = hub_.limits().per_user ? hub_.limits().per_user->take(user_uuid) : quota::slot();
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
    return settled() && replays_.empty() && out_.queued_bytes() < 2 * hub_.limits().outbox_bytes;
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
    added.since = frontier();
    added.floating = !hub_.ready();
    if (index_)
        index_->insert(added);
    reply(v0_ok);
    if (last_log_id) {
        if (live_) {
            set_live(false);
            cursor_ = frontier();
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
    if (index_)
        index_->erase(*found);
    subscriptions_.erase(found);
    reply(v0_ok);
}

void v0_session::offer(const subscription &matched, std::uint64_t number, const event &what) {
    // What was in the journal and not judged when the subscription was made may be owed to its replay.
    if (!live_ || offered_ > number || !matched.covers(number, what.id))
        return;
    const auto allowed = judge(number, what, false);
    if (allowed == permission::unknown)
        return suspend(number);
    if (allowed == permission::undecided)
        return fall_behind(number, *index_);
    offered_ = number + 1;
    if (allowed == permission::denied)
        return hub_.probe().denied();
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

void v0_session::fall_behind(std::uint64_t number, const filter_index &offered_to) {
    if (!live_ || index_ != &offered_to)
        return;
    set_live(false);
    cursor_ = number;
    out_.request_writable();
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
    tick_principal();
    if (!met_ && settled())
        out_.resume_input();
    if (has_elapsed(last_sent_us_, hub_.now(), hub_.limits().send_interval_us) && out_.queued_bytes() == 0)
        reply(v0_idle);
    if (ask_again_us_ && has_elapsed(*ask_again_us_ - patience_us_, hub_.now(), patience_us_)) {
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
    if (live_ || waiting_ || closed_ || !met_ || !hub_.ready())
        return;
    if (awaits_grants())
        return; // until it is known what the user may read
    settle_floating();
    if (who_.now().known && !(may_read() && (who()->alive(hub_.now()) || who()->stale(hub_.now()))))
        replays_.clear();
    // What it may not see any more it may still be owed from before.
    if (who_.any_from(cursor_, [](const principal &one) { return one.exists; }))
        work();
    else if (who_.now().known)
        cursor_ = std::max(cursor_, hub_.journal().end());
    who_.forget_before(cursor_);
    const bool known = who_.now().known;
    if (known && replays_.empty() && cursor_ >= frontier() && !waiting_ && !closed_) {
        reread_.clear();
        decisions_.clear();
        set_live(true); // and offered nothing if it may not read, being in no index
    }
    flush();
    out_.resume_input();
    const bool stuck = !known && (!replays_.empty() || cursor_ >= who_.known_until());
    const bool unjudged = replays_.empty() && cursor_ >= limit() && cursor_ < frontier();
    if (live_ || waiting_ || closed_ || stuck)
        return;
    if (unjudged)
        hub_.await_judge(*this);
    else
        out_.request_writable();
}

} // namespace walcast
