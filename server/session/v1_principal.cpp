// The part of v1_session that knows whom it speaks for: it asks, is told by the stream, and asks again.

#include "server/access/readers.hpp"
#include "server/access/scopes.hpp"
#include "server/feed/elapsed.hpp"
#include "server/session/topic_hub.hpp"
#include "server/session/v1_session.hpp"

#include <algorithm>
#include <utility>

namespace walcast {

namespace {
constexpr std::int64_t second_us = 1'000'000;
/// As for v0: the stream tells what changes, this is for what it cannot tell.
constexpr std::int64_t lookup_interval_us = 60 * second_us;
/// Before an answer of the API has to be renewed, it is asked for.
constexpr std::int64_t renewal_us = 10 * second_us;
} // namespace

void v1_session::look_up_token(std::int64_t not_before_us) {
    looked_up_us_ = hub_.now();
    looking_ = true;
    hub_.outside().authenticate(token_, not_before_us,
                                [weak = weak_from_this(), as = ++asked_as_](const verdict &answer) {
                                    const auto self = weak.lock();
                                    if (!self || self->asked_as_ != as)
                                        return;
                                    // A snapshot may be ahead of the stream, which has to come so far before
                                    // it counts.
                                    self->hub_.when_processed(answer.as_of, [weak, as, answer] {
                                        if (const auto still = weak.lock(); still && still->asked_as_ == as)
                                            still->authenticated(answer);
                                    });
                                });
}

void v1_session::authenticated(verdict answer) {
    looking_ = false;
    if (closed_)
        return;
    in_doubt_ =
        answer.is == verdict::finding::unknown || !hub_.principals().bring_up_to_date(answer, hub_.now());
    if (in_doubt_) { // tick() asks again
        doubted_at_us_ = answer.is == verdict::finding::unknown ? doubted_at_us_ : hub_.now();
        return;
    }
    if (answer.is == verdict::finding::valid && answer.who.alive(hub_.now()))
        become(std::move(answer.who));
    else
        refuse_token();
    pump();
    flush();
    out_.resume_input();
}

void v1_session::become(principal who) {
    const bool another = who_ && who_->user_uuid != who.user_uuid;
    if (another) {
        following_.reset();
        reader_ = reader_id::none;
        counted_.reset();
    }
    if (!counted_) {
        auto *const most = hub_.events().limits().per_user;
        counted_ = most ? most->take(who.user_uuid) : quota::slot();
    }
    if (!counted_) {
        hub_.events().probe().refused_user();
        closed_ = true;
        return out_.close(close_code::policy_violation, "too many sessions of this user");
    }
    const bool same_rights = who_ && !another && who_->is_admin == who.is_admin &&
                             who_->scopes == who.scopes && who_->exists == who.exists;
    who_ = std::move(who);
    hub_.principals().watch(*this, *who_);
    follow_grants();
    if (std::exchange(announce_, false))
        send(v1_authenticated(who_->user_uuid, who_->expires_at == object_facts::never
                                                   ? std::nullopt
                                                   : std::optional(who_->expires_at)));
    if (!same_rights)
        recheck();
}

void v1_session::recheck() {
    using standing = v1_subscription::standing;
    std::vector<v1_subscription *> members;
    for (auto &one : subscriptions_)
        members.push_back(&one);
    for (auto *one : members) {
        if (!one->has_state()) {
            if (one->is == standing::silenced && alive())
                restore(*one);
            continue;
        }
        watch(*one);
        if (!alive() || is_admin() || one->right)
            settle(*one, {});
        else if (one->is == standing::live) // an administrator that is none any more: it is being found out
            reset(*one, v1_reset::auth);
        else if (one->is != standing::silenced)
            one->is = standing::checking;
    }
}

void v1_session::refuse_token() {
    announce_ = false;
    send(v1_failure({}, v1_error::unauthorized, "the token is not good"));
    lose_token();
    who_.reset();
    hub_.principals().unwatch(*this);
}

void v1_session::lose_token() {
    if (who_)
        who_->exists = false;
    hub_.events().probe().silenced();
    for (auto &one : subscriptions_)
        if (one.is != v1_subscription::standing::silenced)
            silence(one, "token");
}

void v1_session::follow_grants() {
    if (following_ || !who_ || !who_->exists || (who_->is_admin && who_->user_id == 0))
        return;
    if (who_->is_admin)
        return; // who is none any more is followed from then on
    following_ = hub_.outside().follow(who_->user_uuid, [weak = weak_from_this()](reader_id reader) {
        const auto self = weak.lock();
        if (!self)
            return;
        self->reader_ = reader;
        self->reader_since_ = self->hub_.window().end();
        for (auto &one : self->subscriptions_)
            if (one.has_state())
                self->watch(one);
        self->pump();
        self->out_.resume_input();
    });
}

void v1_session::principal_changed(const principal_change &what, std::int64_t committed_at_us,
                                   std::uint64_t) {
    if (!who_ || !concerns(what, *who_))
        return;
    auto next = *who_;
    if (!apply(what, committed_at_us, next))
        return suspend();
    if (next == *who_)
        return;
    const bool dies = who_->alive(committed_at_us) && !next.alive(committed_at_us);
    const bool other_rights = next.is_admin != who_->is_admin || next.scopes != who_->scopes;
    who_ = std::move(next);
    if (dies)
        return lose_token();
    if (!other_rights)
        return;
    follow_grants();
    recheck();
}

void v1_session::suspend() {
    if (!who_)
        return;
    stop_at(hub_.unfinished());
    in_doubt_ = true;
    doubted_at_us_ = hub_.now();
    // Never more than one question a second: the answer may come from a clock that is behind.
    if (!looking_ && has_elapsed(looked_up_us_, hub_.now(), second_us))
        look_up_token(doubted_at_us_);
}

void v1_session::tick_principal() {
    if (who_ && who_->exists && !who_->alive(hub_.now())) {
        if (!who_->stale(hub_.now()))
            lose_token();
        else if (!in_doubt_)
            suspend();
    }
    if (token_.empty() || looking_)
        return;
    const auto since = [this](std::int64_t span_us) {
        return has_elapsed(looked_up_us_, hub_.now(), span_us);
    };
    const bool known = who_ && who_->exists;
    const bool renews = known && who_->refreshes_at - hub_.now() < renewal_us;
    if (in_doubt_ ? since(second_us) : known && (since(lookup_interval_us) || (renews && since(second_us))))
        look_up_token(in_doubt_ ? doubted_at_us_ : 0);
}

bool v1_session::alive() const {
    return who_ && who_->alive(hub_.moment());
}

bool v1_session::allowed_by_scopes(std::string_view uuid) const {
    if (!who_)
        return false;
    if (who_->unlimited())
        return true;
    const auto path = read_path(uuid);
    return !path.empty() && scope_allows(who_->scopes, "GET", path);
}

std::uint64_t v1_session::subject() const {
    return who_ ? stable_hash(who_->user_uuid) : 0;
}

} // namespace walcast
