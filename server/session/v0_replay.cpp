// The part of v0_session that catches up: from the journal, and from the table where the feed does not reach.

#include "server/session/v0_session.hpp"

#include "server/access/readers.hpp"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

namespace walcast {

namespace {
/// Rows read again from the table at a time.
constexpr std::uint64_t reread_rows = 256;
/// Journal entries looked at in one turn: a session that catches up must not hold up the others.
constexpr std::uint64_t entries_per_turn = 2000;
/// The database answered with an error: asked again after the first, then after twice the time, up to the
/// last.
constexpr std::int64_t first_patience_us = 1'000'000;
constexpr std::int64_t last_patience_us = 30'000'000;
} // namespace

void v0_session::work() {
    if (replays_.empty())
        return advance(cursor_, limit(), nullptr);
    if (!who_.now().known)
        return;
    auto &now = replays_.front();
    if (!now.looked_up || now.scan)
        return advance_replay(now);
    advance(now.next, now.end, now.of);
    if (now.next >= now.end && !closed_)
        replays_.pop_front();
}

void v0_session::advance_replay(replay &now) {
    if (!std::exchange(now.looked_up, true)) {
        reread_.clear();
        reread_end_ = 0;
        if (resume_in_journal(now))
            return;
        now.scan = log_scan{.after = now.after};
    }
    ask_scan(now);
}

bool v0_session::resume_in_journal(replay &now) {
    const auto place = hub_.journal().find(now.after);
    if (!place)
        return false;
    now.scan.reset();
    now.next = *place + 1;
    now.end = cursor_;
    now.of->replayed_from = now.next;
    // It may have come into the journal after the subscription was made: what is before it is not owed.
    now.of->since = std::max(now.of->since, now.next);
    return true;
}

void v0_session::ask_scan(replay &now) {
    waiting_ = true;
    hub_.outside().scan_logs(*now.scan, [weak = weak_from_this()](log_rows read) {
        const auto session = weak.lock();
        if (!session)
            return;
        if (read.failed)
            return session->ask_later();
        const auto as_of = read.as_of;
        session->hub_.outside().barrier(as_of, [weak, read = std::move(read)] {
            const auto still = weak.lock();
            if (!still)
                return;
            still->answered();
            still->decide_scanned(read);
        });
    });
}

void v0_session::decide_scanned(log_rows read) {
    // The user may be no administrator any more, and its grants not be there: then the page is read again.
    if (replays_.empty() || awaits_grants())
        return pump();
    std::vector<std::pair<log_id, uuid_text>> events;
    if (who() && !who()->is_admin)
        for (const auto &row : read.rows)
            if (const auto what = hub_.event_of(*row); what && replays_.front().of->filter->matches(*what))
                events.emplace_back(what->id, deciding_key(*what));
    const auto then = [this, read = std::move(read)] {
        if (!replays_.empty())
            send_scanned(replays_.front(), read);
        pump();
    };
    if (events.empty())
        then();
    else
        decide(std::move(events), then);
}

void v0_session::send_scanned(replay &now, const log_rows &read) {
    // A client that learned of its id elsewhere may ask before the feed has it; after the barrier it has.
    if (now.scan->first && resume_in_journal(now))
        return;
    std::uint64_t sent = 0;
    const bool allowed = may_read() && who()->alive(hub_.now());
    for (const auto &row : read.rows) {
        if (!allowed)
            break;
        const auto what = hub_.event_of(*row);
        if (!what || hub_.journal().find(what->id) || !now.of->filter->matches(*what))
            continue;
        const bool covered =
            std::any_of(subscriptions_.begin(), subscriptions_.end(), [&](const subscription &one) {
                return &one != now.of && one.covers_scanned(what->id) && one.filter->matches(*what);
            });
        if (covered)
            continue;
        if (judge_token(*who(), hub_.now(), *what) != permission::granted ||
            !(who()->is_admin || decided(what->id) == permission::granted))
            continue;
        if (const auto body = hub_.encode(*what)) {
            send(body);
            ++sent;
        }
    }
    hub_.probe().replayed(sent);
    if (now.scan->first && !read.exists) {
        // Not a row of the table: made up, rolled back, or deleted. What committed after it cannot be told,
        // so greater ids are what is owed. (If it exists, it committed before the journal began: all of the
        // journal is.)
        now.of->replayed_above = now.after;
    }
    if (read.more) {
        now.scan->after = read.last;
        now.scan->first = false;
        return;
    }
    now.scan.reset();
    now.next = hub_.journal().first();
    now.end = cursor_;
    now.of->replayed_from = now.next;
    now.of->scanned_above = now.after;
}

bool v0_session::wanted(std::uint64_t number, const event &what, const subscription *replayed) const {
    const auto covers = [&](const subscription &one) {
        return one.covers(number, what.id) && one.filter->matches(what);
    };
    if (!replayed)
        return std::any_of(subscriptions_.begin(), subscriptions_.end(), covers);
    return covers(*replayed) &&
           std::none_of(subscriptions_.begin(), subscriptions_.end(),
                        [&](const auto &one) { return &one != replayed && covers(one); });
}

std::optional<event> v0_session::event_of(std::uint64_t number) {
    if (auto held = hub_.event_of(number))
        return held;
    const auto found = reread_.find(hub_.journal()[number].id);
    return found == reread_.end() ? std::nullopt : hub_.event_of(*found->second);
}

void v0_session::advance(std::uint64_t &next, std::uint64_t end, const subscription *replayed) {
    std::uint64_t sent = 0;
    const auto turn_end = std::min(end, next + entries_per_turn);
    for (; next < turn_end && has_room(); ++next) {
        if (next < hub_.journal().first()) {
            // Half a million events behind: even the order of commits is forgotten.
            closed_ = true;
            out_.close(close_code::try_again_later, "too far behind: reconnect with last_log_id");
            break;
        }
        const auto what = event_of(next);
        if (!what && next >= reread_end_) {
            read_missing(next, end);
            break;
        }
        // A row that is gone from the table as well was deleted by Arvados: there is nothing left to send.
        if (!what || !wanted(next, *what, replayed))
            continue;
        const auto allowed = judge(next, *what, replayed != nullptr);
        if (allowed == permission::unknown) {
            suspend(replayed == nullptr ? next : cursor_);
            break;
        }
        if (allowed == permission::undecided) {
            ask_decisions(next, end, replayed);
            break;
        }
        if (allowed == permission::denied) {
            hub_.probe().denied();
            continue;
        }
        if (const auto body = hub_.frame_of(next, *what)) {
            send(body);
            ++sent;
        }
    }
    hub_.probe().replayed(sent);
}

void v0_session::read_missing(std::uint64_t from, std::uint64_t end) {
    std::vector<log_id> ids;
    for (auto number = from; number < end && ids.size() < reread_rows && !hub_.event_of(number); ++number)
        ids.push_back(hub_.journal()[number].id);
    waiting_ = true;
    hub_.outside().read_logs(ids, [weak = weak_from_this(), from, ids](const log_rows &read) {
        const auto session = weak.lock();
        if (!session)
            return;
        if (read.failed)
            return session->ask_later();
        // What was not looked at is not known to be gone: of large rows only the first ones came.
        auto looked_at = ids.end();
        if (read.more)
            looked_at = std::next(std::find(ids.begin(), ids.end(), read.last));
        session->reread_.clear();
        for (const auto &row : read.rows)
            if (const auto what = session->hub_.event_of(*row))
                session->reread_.emplace(what->id, row);
        session->reread_end_ = from + static_cast<std::uint64_t>(looked_at - ids.begin());
        session->answered();
        session->pump();
    });
}

void v0_session::ask_later() {
    patience_us_ = std::clamp(2 * patience_us_, first_patience_us, last_patience_us);
    ask_again_us_ = hub_.now() + patience_us_;
}

void v0_session::answered() {
    waiting_ = false;
    patience_us_ = 0;
}

} // namespace walcast
