#include "server/session/v1_session.hpp"

#include "server/access/readers.hpp"
#include "server/feed/elapsed.hpp"
#include "server/session/topic_hub.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace walcast {

v1_session::v1_session(topic_hub &hub, output &out, std::string token)
    : hub_(hub)
    , out_(out)
    , token_(std::move(token))
    , last_sent_us_(hub.now())
    , placed_us_(hub.now()) {
    hub_.add(*this);
}

v1_session::~v1_session() {
    if (!flowing_)
        hub_.events().probe().caught_up();
    hub_.principals().unwatch(*this);
    while (!subscriptions_.empty())
        end(subscriptions_.front());
    if (who_ && following_)
        hub_.keep_following(who_->user_uuid, std::move(following_));
    hub_.remove(*this);
}

void v1_session::start() {
    const auto &limits = hub_.events().limits();
    send(v1_hello(static_cast<std::uint32_t>(limits.send_interval_us / 1'000'000),
                  {.subscriptions = limits.max_subscriptions,
                   .frame_bytes = limits.max_message_bytes,
                   .sessions_per_user = limits.sessions_per_user,
                   .sessions_per_address = limits.sessions_per_address}));
    if (!token_.empty()) {
        announce_ = true;
        look_up_token(0);
    }
}

bool v1_session::wants_input() const {
    // What a client asks is answered in order, so nothing is read while the answer to its token is out.
    return !announce_ && hub_.ready() && (!following_ || reader_ != reader_id::none) &&
           out_.queued_bytes() < 2 * hub_.events().limits().outbox_bytes;
}

void v1_session::receive(std::string_view message) {
    std::visit(
        [this](auto &&request) {
            using T = std::decay_t<decltype(request)>;
            if constexpr (std::is_same_v<T, v1_auth>) {
                token_ = std::move(request.token);
                announce_ = true;
                look_up_token(0);
            } else if constexpr (std::is_same_v<T, v1_subscribe>) {
                subscribe(std::move(request));
            } else if constexpr (std::is_same_v<T, v1_unsubscribe>) {
                unsubscribe(request.id);
            } else if constexpr (std::is_same_v<T, v1_bad_request>) {
                fail(request.id, v1_error::bad_request, request.why);
            }
        },
        parse_v1_request(message));
    flush();
}

void v1_session::goodbye() {
    send(v1_goodbye("restart", 1000));
    out_.flush();
}

void v1_session::writable() {
    pump();
}

bool v1_session::has_room() const {
    return out_.queued_bytes() < hub_.events().limits().outbox_bytes;
}

void v1_session::send(std::string message) {
    if (closed_)
        return;
    out_.send({}, make_frame(std::move(message)));
    last_sent_us_ = hub_.now();
    if (!std::exchange(dirty_, true))
        hub_.mark_dirty(*this);
}

void v1_session::flush() {
    dirty_ = false;
    out_.flush();
}

void v1_session::send_change(v1_subscription &one, position at, const shared_frame &body) {
    one.at = at;
    if (!body || closed_)
        return;
    std::array<char, token_seal::length> token;
    hub_.write_token(one, at, subject(), token.data());
    out_.send(v1_head("change", one.id, {token.data(), token.size()}), body);
    last_sent_us_ = hub_.now();
    if (!std::exchange(dirty_, true))
        hub_.mark_dirty(*this);
    if (!has_room())
        out_.flush();
}

void v1_session::send_live(v1_subscription &one) {
    one.is = v1_subscription::standing::live;
    one.told = true;
    one.at = std::max(one.at, hub_.here());
    std::array<char, token_seal::length> token;
    hub_.write_token(one, one.at, subject(), token.data());
    send(v1_live(one.id, {token.data(), token.size()}));
}

void v1_session::send_snapshot(v1_subscription &one) {
    one.at = hub_.here();
    one.row_id = one.record != nullptr ? one.record->row_id : 0;
    one.told = true;
    if (one.snapshots) {
        std::array<char, token_seal::length> token;
        hub_.write_token(one, one.at, subject(), token.data());
        out_.send(v1_head("snapshot", one.id, {token.data(), token.size()}),
                  one.record != nullptr ? one.record->snapshot_for(one.columns) : one.grants->snapshot());
    }
    send_live(one);
}

void v1_session::stop_at(std::uint64_t number) {
    if (!flowing_ && cursor_ <= number)
        return;
    if (std::exchange(flowing_, false))
        hub_.events().probe().fell_behind();
    cursor_ = number;
    out_.request_writable();
}

void v1_session::settle(v1_subscription &one, const std::vector<record_change> &fresh) {
    using standing = v1_subscription::standing;
    const bool now = may_see(one);
    const bool before = std::exchange(one.allowed, now);
    if (!flowing_ && one.is == standing::live) {
        one.disturbed = one.disturbed || (before && !now);
        return;
    }
    switch (one.is) {
    case standing::waiting:
    case standing::resuming:
        if (now)
            return;
        return one.told ? silence(one, alive() ? "permission" : "token") : not_found(one);
    case standing::live:
        if (!now)
            return silence(one, alive() ? "permission" : "token");
        for (const auto &change : fresh) {
            if (change.at <= one.at)
                continue;
            if (!has_room())
                return stop_at(hub_.unfinished());
            one.row_id = change.row_id;
            send_change(one, change.at, change.frame_for(one.columns.get()));
        }
        return;
    case standing::silenced:
        if (now && flowing_)
            restore(one);
        return;
    case standing::checking:
        return check(one);
    }
}

void v1_session::offer_event(v1_subscription &one, position at, const event &what, const audience *readers,
                             const shared_frame &body) {
    if (!flowing_ || one.is != v1_subscription::standing::live || one.at >= at)
        return;
    if (!alive() || !(is_admin() || (readers != nullptr && readers->has(reader_))) ||
        !allowed_by_scopes(object_that_decides(what.event_type, what.object_uuid, what.object_owner_uuid))) {
        hub_.events().probe().denied();
        return;
    }
    if (!has_room())
        return stop_at(hub_.unfinished());
    send_change(one, at, body);
}

bool v1_session::send_past_event(v1_subscription &one, std::uint64_t number, position at, const event &what,
                                 const audience *readers, const shared_frame &body) {
    if (!allowed_by_scopes(object_that_decides(what.event_type, what.object_uuid, what.object_owner_uuid)))
        return true;
    const auto may = may_see_past(number, at, readers);
    if (!may) {
        undecided_.emplace_back(at, deciding_key(what));
        return false;
    }
    if (*may)
        send_change(one, at, body);
    return true;
}

void v1_session::foresee(std::uint64_t number, position at, const event &what, const audience *readers) {
    if (asks_more() && undecided_.back().first != at && !may_see_past(number, at, readers) &&
        allowed_by_scopes(object_that_decides(what.event_type, what.object_uuid, what.object_owner_uuid)))
        undecided_.emplace_back(at, deciding_key(what));
}

std::optional<bool> v1_session::may_see_past(std::uint64_t number, position at,
                                             const audience *readers) const {
    if (is_admin())
        return true;
    if (number >= reader_since_ && readers != nullptr)
        return readers->has(reader_);
    const auto decided = decisions_.find(at);
    return decided == decisions_.end() ? std::nullopt : std::optional(decided->second);
}

void v1_session::hub_ready() {
    pump();
    out_.resume_input();
}

void v1_session::pump() {
    if (flowing_ || closed_ || in_doubt_ || deciding_ || !hub_.ready())
        return;
    if (!has_room())
        return out_.request_writable();
    catch_up();
    flush();
    out_.resume_input();
}

void v1_session::catch_up() {
    using standing = v1_subscription::standing;
    // Who lost the right meanwhile is told, and has it back perhaps, with a new snapshot.
    std::vector<v1_subscription *> members;
    for (auto &one : subscriptions_)
        members.push_back(&one);
    walk_set set;
    std::vector<v1_subscription *> resuming;
    auto from = cursor_; // those that resume may stand before it
    for (auto *one : members) {
        if (!has_room())
            return out_.request_writable();
        const bool has_state = one->has_state();
        if (one->is == standing::live && has_state && (one->disturbed || !one->allowed))
            silence(*one, alive() ? "permission" : "token");
        if (one->is == standing::silenced && has_state && one->allowed)
            restore(*one);
        else if (one->is == standing::waiting)
            want_state(*one);
        else if (one->grants != nullptr && alive() && is_known(*one) &&
                 (one->is == standing::live || one->is == standing::resuming) && !reaches(*one))
            reset(*one, one->is == standing::live ? v1_reset::lagging : v1_reset::expired);
        else if (one->is == standing::live && one->latest && has_state)
            send_latest(*one);
        else if (one->is == standing::live && alive())
            set.add(*one);
        else if (one->is == standing::resuming && alive() && is_known(*one)) {
            set.add(*one);
            resuming.push_back(one);
            from = std::min(from, hub_.window().first_behind(one->at));
        }
    }
    if (!set.empty()) {
        undecided_.clear();
        const auto stopped = hub_.walk(from, set, this);
        if (!stopped) {
            for (auto *one : members)
                if (one->is == standing::live || one->is == standing::resuming)
                    reset(*one, one->is == standing::live ? v1_reset::lagging : v1_reset::expired);
        } else if (!undecided_.empty()) {
            cursor_ = *stopped;
            return ask_decisions();
        } else if (*stopped < hub_.window().processed()) {
            cursor_ = *stopped;
            decisions_.clear(); // when there is room, they may be old
            return out_.request_writable();
        }
    }
    cursor_ = hub_.window().processed();
    if (!has_room()) // a snapshot may be waiting for it
        return out_.request_writable();
    decisions_.clear();
    flowing_ = true;
    hub_.events().probe().caught_up();
    for (auto *one : resuming)
        if (one->is == standing::resuming)
            resumed(*one);
    for (auto *one : members)
        if (one->is == standing::live)
            one->at = std::max(one->at, hub_.here());
}

void v1_session::resumed(v1_subscription &one) {
    one.guessed = false;
    send_live(one);
}

void v1_session::send_latest(v1_subscription &one) {
    if (one.grants != nullptr) {
        const auto &past = one.grants->past;
        return !past.empty() && past.back().at > one.at ? reset(one, v1_reset::lagging) : void();
    }
    auto &topic = *one.record;
    if (topic.changed_at <= one.at)
        return;
    if (!topic.image.complete())
        return reset(one, v1_reset::lagging);
    std::string body;
    const bool gone = topic.image.is() == record_image::standing::absent;
    if (encode_record_change(gone ? record_change_type::remove : record_change_type::update, record_image(),
                             topic.image, *one.columns, topic.changed_us, body)) {
        one.row_id = topic.row_id;
        send_change(one, topic.changed_at, make_frame(std::move(body)));
    }
}

void v1_session::ask_decisions() {
    deciding_ = true;
    std::vector<uuid_text> objects;
    for (const auto &[at, object] : undecided_)
        objects.push_back(object);
    hub_.outside().decide(reader_, std::move(objects),
                          [weak = weak_from_this(), asked = undecided_](const std::vector<bool> &allowed) {
                              const auto self = weak.lock();
                              if (!self)
                                  return;
                              self->deciding_ = false;
                              for (std::size_t at = 0; at < asked.size() && at < allowed.size(); ++at)
                                  self->decisions_[asked[at].first] = allowed[at];
                              self->pump();
                          });
}

void v1_session::begin_anew(v1_reset why) {
    suspend();
    const auto newest = hub_.window().processed();
    for (auto &one : subscriptions_) {
        // What the feed does not hold the judge has seen, and nothing that was to be told of it.
        const bool untouched = why == v1_reset::lagging && one.is == v1_subscription::standing::live &&
                               one.grants != nullptr && newest > 0 && one.grants->reaches(newest - 1);
        if (!untouched &&
            (one.is == v1_subscription::standing::live || one.is == v1_subscription::standing::resuming))
            reset(one, why);
    }
}

void v1_session::tick() {
    if (closed_)
        return;
    tick_principal();
    const auto interval = hub_.events().limits().send_interval_us;
    const bool idle = has_elapsed(last_sent_us_, hub_.now(), interval) && out_.queued_bytes() == 0;
    // What one subscription is sent says nothing about where the others stand, whose tokens grow old.
    const bool due = subscriptions_.size() > 1 && has_elapsed(placed_us_, hub_.now(), interval) && has_room();
    if (!idle && !due)
        return;
    const bool all_live =
        flowing_ && std::all_of(subscriptions_.begin(), subscriptions_.end(),
                                [](const auto &one) { return one.is == v1_subscription::standing::live; });
    std::string token;
    if (all_live && alive() && !subscriptions_.empty()) {
        placed_us_ = hub_.now();
        token.resize(token_seal::length);
        hub_.write_token({}, hub_.here(), subject(), token.data());
    }
    if (!idle && token.empty())
        return;
    send(v1_ping(token));
    flush();
}

v1_subscription *v1_session::find(std::string_view id) {
    const auto found = by_id_.find(id);
    return found == by_id_.end() ? nullptr : found->second;
}

} // namespace walcast
