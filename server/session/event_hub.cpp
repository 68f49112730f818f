#include "server/session/event_hub.hpp"

#include "server/protocol/v0_encode.hpp"
#include "server/session/v0_session.hpp"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

namespace walcast {

namespace {
/// Order of commits remembered beyond the feed: 40 MiB or so when full.
constexpr std::size_t journal_entries = std::size_t{1} << 19;
/// Encoded events kept for sessions that catch up at the same time.
constexpr std::size_t journal_frame_bytes = std::size_t{16} << 20;
/// Of a large transaction, entries made before they are offered.
constexpr std::size_t release_slice = 4096;
/// The segment of an event whose row never was in the feed.
constexpr auto no_segment = std::numeric_limits<std::uint64_t>::max();

/// For filter_index::match: in the hub's indexes are subscriptions of v0 sessions alone.
auto offer_to_owner(std::uint64_t number, const event &what) {
    return [number, &what](indexed_filter &matched) {
        const auto &of = static_cast<const subscription &>(matched);
        of.owner->offer(of, number, what);
    };
}
} // namespace

event_hub::event_hub(feed::limits bounds, session_limits limits, services &outside, session_probe &probe)
    : feed_(bounds)
    , journal_(journal_entries, journal_frame_bytes)
    , limits_(limits)
    , outside_(outside)
    , probe_(probe) {}

void event_hub::append(const batch &next, std::span<const audience_ptr> readers, std::int64_t now_us) {
    now_us_ = now_us;
    if (next.epoch != epoch_)
        begin_epoch(next);
    const auto fresh = journal_.end();
    exact_ = next.exact;
    for (const auto &transaction : next.transactions) {
        feed_.append(transaction);
        principals_.read(*transaction);
        hold_events(feed_.end() - 1);
        if (transaction->last()) {
            window_.completed(std::exchange(torn_events_, 0) + static_cast<std::uint32_t>(held_.size()));
            release_events();
        }
    }
    feed_.decoded(next.decoded);
    if (next.origin.begins != origin_begins_)
        feed_.begins(origin_begins_ = next.origin.begins);
    if (journal_.end() != fresh)
        probe_.events_in(journal_.end() - fresh);
    if (!next.transactions.empty())
        probe_.delay(static_cast<double>(now_us - next.transactions.back()->committed_at()) / 1e6);
    take(readers);
    flush_dirty();
    feed_.trim(now_us);
    if (next.ready && !ready_) {
        // Sessions that subscribed while the feed was being refilled begin here: what committed before the
        // source started is not new to anybody who did not ask for it.
        ready_ = true;
        ready_since_ = fresh;
        for (auto *session : std::vector(sessions_.begin(), sessions_.end()))
            session->pump();
    }
    wake_waiters();
}

void event_hub::fill(const std::vector<transaction_ptr> &rows, std::int64_t now_us) {
    now_us_ = now_us;
    std::uint64_t fresh = 0;
    for (const auto &row : rows) {
        const auto what = event_of(*row);
        if (!what || journal_.find(what->id))
            continue;
        // They have no place in the feed, which is in the order of commits: who falls behind reads them
        // again.
        const auto number = journal_.end();
        journal_.append(no_segment, 0, what->id);
        ++fresh;
        filters_.match(*what, offer_to_owner(number, *what));
    }
    probe_.events_in(fresh);
    take({}); // nobody judges them: sessions ask
    flush_dirty();
}

void event_hub::judged(std::span<const audience_ptr> readers, std::int64_t now_us) {
    now_us_ = now_us;
    take(readers);
    flush_dirty();
}

void event_hub::take(std::span<const audience_ptr> readers) {
    for (const auto &one : readers) {
        if (unjudged_.empty())
            break;
        const auto number = unjudged_.front();
        unjudged_.pop_front();
        if (number >= journal_.first())
            journal_.set_readers(number, one);
    }
    const auto first = std::max(offered_, journal_.first());
    offered_ = std::max(offered_, judged_end());
    match(judged_filters_, first, offered_);
    if (!readers.empty() || unjudged_.empty())
        for (auto *session : std::exchange(awaiting_, {}))
            session->pump();
}

void event_hub::flush_dirty() {
    for (auto *session : std::exchange(dirty_, {}))
        session->flush();
}

void event_hub::hold_events(std::uint64_t segment) {
    const auto &transaction = *feed_[segment];
    event found;
    std::uint32_t place = 0;
    for (const auto &change : transaction.changes()) {
        const auto problem = reader_.read(transaction, change, found);
        if (problem == event_problem::none)
            held_.push_back({segment, place, found.id});
        else if (problem != event_problem::not_an_event)
            probe_.skipped(to_string(problem));
        ++place;
    }
}

void event_hub::release_events() {
    principals_.complete(journal_.end(), now_us_);
    // Of a transaction with more events than the journal remembers, every one is offered before it is
    // forgotten.
    for (std::size_t done = 0; done < held_.size();) {
        const auto first = journal_.end();
        for (const auto until = std::min(held_.size(), done + release_slice); done < until; ++done)
            journal_.append(held_[done].segment, held_[done].place, held_[done].id);
        for (auto number = first; number < journal_.end(); ++number)
            unjudged_.push_back(number);
        match(filters_, first, journal_.end());
    }
    held_.clear();
    if (held_.capacity() > release_slice)
        held_.shrink_to_fit();
}

void event_hub::match(const filter_index &among, std::uint64_t first, std::uint64_t end) {
    if (among.empty())
        return;
    for (auto number = first; number < end; ++number) {
        const auto what = event_of(number);
        if (what)
            among.match(*what, offer_to_owner(number, *what));
        else if (!feed_.holds(journal_[number].segment))
            // Of a transaction that is larger than the feed, or judged late: whoever is due it reads the row
            // again from the table.
            for (auto *session : sessions_)
                session->fall_behind(number, among);
    }
}

std::int64_t event_hub::committed_at(std::uint64_t number, const event &of) const {
    if (number >= journal_.first() && number < journal_.end())
        if (const auto segment = journal_[number].segment; feed_.holds(segment))
            if (const auto at = feed_[segment]->committed_at(); at > 0)
                return at;
    return of.created_at;
}

void event_hub::tick(std::int64_t now_us) {
    now_us_ = now_us;
    feed_.trim(now_us);
    for (auto *session : std::vector(sessions_.begin(), sessions_.end()))
        session->tick();
}

void event_hub::when_decoded(lsn up_to, std::function<void()> then) {
    if (feed_.decoded() >= up_to)
        then();
    else
        waiters_.push_back({up_to, std::move(then)});
}

void event_hub::begin_epoch(const batch &first) {
    epoch_ = first.epoch;
    // The rest of a transaction that had begun to come is read from the table. What happened to tokens since
    // then nobody tells: they are looked up again, and nothing is sent until that is answered.
    window_.tear();
    torn_events_ += static_cast<std::uint32_t>(held_.size());
    release_events();
    principals_.begin_anew(now_us_);
    for (auto *session : sessions_)
        session->suspend(journal_.end());
    if (first.decoded >= feed_.decoded())
        return; // the log goes on; only the slot is another one
    feed_.new_epoch();
    // Whoever waits for a position of the old log would wait for ever. What the query behind it saw was
    // handed over by then, or the source reads it from the table now: wait for the end of that, which is the
    // first position of the new log. (The rows until then have position 1.)
    for (auto &one : waiters_)
        one.up_to = lsn{2};
}

void event_hub::wake_waiters() {
    const auto reached = std::partition(waiters_.begin(), waiters_.end(),
                                        [this](const waiter &one) { return one.up_to > feed_.decoded(); });
    std::vector<waiter> woken(std::make_move_iterator(reached), std::make_move_iterator(waiters_.end()));
    waiters_.erase(reached, waiters_.end());
    for (auto &one : woken)
        one.then();
}

std::optional<event> event_hub::event_of(std::uint64_t number) {
    const auto &entry = journal_[number];
    if (!feed_.holds(entry.segment))
        return std::nullopt;
    const auto &transaction = *feed_[entry.segment];
    event found;
    if (reader_.read(transaction, transaction.changes()[entry.change], found) != event_problem::none)
        return std::nullopt;
    return found;
}

std::optional<event> event_hub::event_of(const transaction &one) {
    event found;
    if (one.changes().empty() || reader_.read(one, one.changes().front(), found) != event_problem::none)
        return std::nullopt;
    return found;
}

shared_frame event_hub::frame_of(std::uint64_t number, const event &of) {
    const auto &entry = journal_[number];
    if (entry.frame || entry.unsendable)
        return entry.frame;
    auto made = encode(of);
    if (made)
        journal_.keep_frame(number, made);
    else
        journal_.mark_unsendable(number);
    return made;
}

shared_frame event_hub::encode(const event &of) {
    std::string body;
    switch (encode_v0_event(of, limits_.max_event_bytes, body)) {
    case v0_outcome::complete:
        break;
    case v0_outcome::truncated:
        probe_.truncated();
        break;
    case v0_outcome::unreadable:
        probe_.skipped("unreadable_properties");
        return nullptr;
    case v0_outcome::too_large:
        probe_.skipped("too_large");
        return nullptr;
    }
    return make_frame(std::move(body));
}

void event_hub::remove(v0_session &session) {
    sessions_.erase(&session);
    awaiting_.erase(&session);
    std::erase(dirty_, &session);
}

} // namespace walcast
