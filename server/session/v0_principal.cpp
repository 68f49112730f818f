// The part of v0_session that knows whom it speaks for: it asks, is told by the stream, and asks again.

#include "server/feed/elapsed.hpp"
#include "server/session/v0_session.hpp"

#include "server/access/readers.hpp"
#include "server/access/scopes.hpp"

#include <algorithm>
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
/// Events of the past that are asked about in one question.
constexpr std::size_t decisions_at_a_time = 256;
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
    if (settled())
        out_.resume_input();
    pump();
}

void v0_session::follow_grants() {
    // Administrators too, for the commit at which they are none any more; but SystemRootToken's is always
    // one.
    if (following_ || !who() || !who()->exists || (who()->is_admin && who()->user_id == 0))
        return;
    following_ = hub_.outside().follow(who()->user_uuid, [self = weak_from_this()](reader_id reader) {
        const auto session = self.lock();
        if (!session)
            return;
        session->reader_ = reader;
        session->reader_since_ = session->hub_.judged_end();
        session->out_.resume_input();
        session->pump();
    });
}

bool v0_session::awaits_grants() const {
    return following_ && reader_ == reader_id::none && !(who() && who()->is_admin);
}

bool v0_session::settled() const {
    constexpr std::int64_t patience_us = 2 * second_us;
    return (met_ && !awaits_grants()) || has_elapsed(opened_us_, hub_.now(), patience_us);
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
    follow_grants();
    auto *const wanted = !may_read() ? nullptr : who()->is_admin ? &hub_.filters() : &hub_.judged_filters();
    if (wanted == index_)
        return;
    if (!wanted)
        hub_.probe().silenced();
    for (auto &one : subscriptions_) {
        if (index_)
            index_->erase(one);
        if (wanted)
            wanted->insert(one);
    }
    const auto *const before = std::exchange(index_, wanted);
    if (before == &hub_.filters() && wanted == &hub_.judged_filters() && live_) {
        // What has come and was not judged, it was sent as an administrator.
        offered_ = std::max(offered_, hub_.journal().end());
    } else if (before == &hub_.judged_filters() && wanted == &hub_.filters() && live_) {
        set_live(false);
        cursor_ = hub_.judged_end();
        out_.request_writable();
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
    if (ends && may_read() && index_)
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
    if (!asking_ && has_elapsed(looked_up_us_, hub_.now(), second_us))
        look_up_token(doubted_at_us_);
}

v0_session::permission v0_session::judge(std::uint64_t number, const event &what, bool asked_for) const {
    const auto &stand = asked_for ? who_.now() : who_.at(number);
    if (!stand.known)
        return permission::unknown;
    if (!stand.who || !stand.who->exists)
        return permission::denied;
    if (!stand.unlimited) {
        const auto committed_at = stand.who->ends() ? hub_.committed_at(number, what) : 0;
        if (const auto allowed = judge_token(*stand.who, committed_at, what); allowed != permission::granted)
            return allowed;
    }
    if (stand.who->is_admin)
        return permission::granted;
    if (!asked_for && number >= reader_since_ && reader_ != reader_id::none)
        if (const auto &readers = hub_.journal()[number].readers)
            return readers->has(reader_) ? permission::granted : permission::denied;
    return decided(what.id);
}

v0_session::permission v0_session::judge_token(const principal &who, std::int64_t committed_at,
                                               const event &what) const {
    if (who.ends() && !who.alive(committed_at))
        return who.stale(committed_at) ? permission::unknown : permission::denied;
    if (who.unlimited())
        return permission::granted;
    const auto path =
        read_path(object_that_decides(what.event_type, what.object_uuid, what.object_owner_uuid));
    return !path.empty() && scope_allows(who.scopes, "GET", path) ? permission::granted : permission::denied;
}

v0_session::permission v0_session::decided(log_id id) const {
    const auto found = decisions_.find(id);
    if (found == decisions_.end())
        return permission::undecided;
    return found->second ? permission::granted : permission::denied;
}

void v0_session::ask_decisions(std::uint64_t from, std::uint64_t end, const subscription *replayed) {
    std::vector<std::pair<log_id, uuid_text>> events;
    for (auto number = from; number < end && events.size() < decisions_at_a_time; ++number) {
        const auto what = event_of(number);
        if (!what)
            break;
        if (wanted(number, *what, replayed) &&
            judge(number, *what, replayed != nullptr) == permission::undecided)
            events.emplace_back(what->id, deciding_key(*what));
    }
    decide(std::move(events), [this] { pump(); });
}

void v0_session::decide(std::vector<std::pair<log_id, uuid_text>> events, std::function<void()> then) {
    std::vector<uuid_text> objects;
    for (const auto &[id, object] : events)
        objects.push_back(object);
    waiting_ = true;
    hub_.outside().decide(reader_, std::move(objects),
                          [weak = weak_from_this(), events = std::move(events),
                           then = std::move(then)](const std::vector<bool> &allowed) {
                              const auto session = weak.lock();
                              if (!session)
                                  return;
                              session->decisions_.clear();
                              for (std::size_t at = 0; at < events.size() && at < allowed.size(); ++at)
                                  session->decisions_[events[at].first] = allowed[at];
                              session->waiting_ = false;
                              then();
                          });
}

void v0_session::tick_principal() {
    if (asking_)
        return;
    const auto since = [this](std::int64_t span_us) {
        return has_elapsed(looked_up_us_, hub_.now(), span_us);
    };
    const auto &who = who_.now().who;
    const bool renews = who && who->refreshes_at - hub_.now() < renewal_us && who->exists;
    if (in_doubt_
            ? since(second_us)
            : since(hub_.exact() ? lookup_interval_us : blind_interval_us) || (renews && since(second_us)))
        look_up_token(in_doubt_ ? doubted_at_us_ : hub_.exact() ? 0 : hub_.now() - blind_age_us);
}

} // namespace walcast
