// The part of v0_session that knows whom it speaks for: it asks, is told by the stream, and asks again.

#include "server/session/v0_session.hpp"

#include <utility>

namespace walcast {

namespace {
constexpr std::int64_t second_us = 1'000'000;
/// A token is looked up again this often. The stream tells what changes; this is for what it cannot tell, a
/// table that was not published for a while for instance.
constexpr std::int64_t lookup_interval_us = 60 * second_us;
/// Where there is no stream of all tables. With the tick, and with an answer that another session's question
/// brought, what is known is five seconds old at most.
constexpr std::int64_t blind_interval_us = 3 * second_us;
constexpr std::int64_t blind_age_us = second_us;
/// Before an answer of the API has to be renewed, it is asked for.
constexpr std::int64_t renewal_us = 10 * second_us;
} // namespace

void v0_session::start() {
    look_up_token(0);
}

void v0_session::look_up_token(std::int64_t not_before_us) {
    looked_up_us_ = hub_.now();
    asking_ = true;
    hub_.outside().authenticate(token_, not_before_us, [self = weak_from_this()](const verdict &answer) {
        const auto session = self.lock();
        if (!session)
            return;
        // A snapshot may be ahead of the stream. Taken before the stream has come so far, it would end the
        // session too early, or let it see what is before its rights.
        session->hub_.outside().barrier(answer.as_of, [self, answer] {
            if (const auto still = self.lock())
                still->authenticated(answer);
        });
    });
}

void v0_session::authenticated(verdict answer) {
    asking_ = false;
    if (closed_)
        return;
    in_doubt_ =
        answer.is == verdict::finding::unknown || !hub_.principals().bring_up_to_date(answer, hub_.now());
    if (in_doubt_) { // tick() asks again
        doubted_at_us_ = answer.is == verdict::finding::unknown ? doubted_at_us_ : hub_.now();
        return;
    }
    std::optional<principal> who;
    if (answer.is == verdict::finding::valid)
        who = std::move(answer.who);
    if (who && !counted_ && !count_user(who->user_uuid))
        return;
    if (!std::exchange(met_, true))
        hub_.probe().fell_behind(); // until pump has caught up
    if (!who_.now().known || who_.now().who != who)
        become(hub_.journal().end(), std::move(who));
    pump();
}

void v0_session::become(std::uint64_t from, std::optional<principal> who) {
    who_.set(from, std::move(who));
    if (who_.now().who)
        hub_.principals().watch(*this, *who_.now().who);
    else
        hub_.principals().unwatch(*this);
    reindex();
}

void v0_session::reindex() {
    if (may_read() == indexed_)
        return;
    indexed_ = !indexed_;
    if (!indexed_)
        hub_.probe().silenced();
    for (auto &one : subscriptions_) {
        if (indexed_)
            hub_.filters().insert(one);
        else
            hub_.filters().erase(one);
    }
}

void v0_session::principal_changed(const principal_change &what, std::int64_t committed_at_us,
                                   std::uint64_t from) {
    if (!who_.now().known || !who_.now().who || !concerns(what, *who_.now().who))
        return;
    auto who = *who_.now().who;
    if (!apply(what, committed_at_us, who))
        return suspend(from);
    if (who == *who_.now().who)
        return;
    const bool ends = who_.now().who->alive(committed_at_us) && !who.alive(committed_at_us);
    who_.set(from, std::move(who));
    if (ends && may_read() && indexed_)
        hub_.probe().silenced();
    reindex();
}

void v0_session::suspend(std::uint64_t from) {
    // The index keeps the subscriptions: what is offered now waits at the cursor.
    if (!who_.now().known)
        return;
    if (live_) {
        set_live(false);
        cursor_ = from;
    }
    who_.doubt(from);
    in_doubt_ = true;
    doubted_at_us_ = hub_.now();
    // Never more than one question a second: the answer may come from a clock that is behind.
    if (!asking_ && hub_.now() - looked_up_us_ >= second_us)
        look_up_token(doubted_at_us_);
}

v0_session::permission v0_session::judge(std::uint64_t number, const event &what, bool asked_for) const {
    const auto &stand = asked_for ? who_.now() : who_.at(number);
    if (!stand.known)
        return permission::unknown;
    if (!stand.who || !stand.who->sees_everything())
        return permission::denied;
    if (!stand.who->ends())
        return permission::granted;
    const auto committed_at = hub_.committed_at(number, what);
    if (stand.who->alive(committed_at))
        return permission::granted;
    return stand.who->stale(committed_at) ? permission::unknown : permission::denied;
}

void v0_session::tick_principal() {
    if (asking_)
        return;
    const auto since = hub_.now() - looked_up_us_;
    const auto &who = who_.now().who;
    const bool renews = who && who->refreshes_at - hub_.now() < renewal_us && who->exists;
    if (in_doubt_ ? since >= second_us
                  : since >= (hub_.exact() ? lookup_interval_us : blind_interval_us) ||
                        (renews && since >= second_us))
        look_up_token(in_doubt_ ? doubted_at_us_ : hub_.exact() ? 0 : hub_.now() - blind_age_us);
}

} // namespace walcast
