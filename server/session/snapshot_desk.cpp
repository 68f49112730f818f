#include "server/session/snapshot_desk.hpp"

#include "server/feed/elapsed.hpp"

#include <algorithm>
#include <utility>

namespace walcast {

namespace {
/// Subscribes that come within this time are one question.
constexpr std::chrono::milliseconds collecting_time{2};
/// A database that answers with an error, or has yet to let a transaction be seen, is asked again after it.
constexpr std::chrono::milliseconds retry_time{250};
/// Questions under way at a time: what comes meanwhile is one question more, and the pool has other work too.
constexpr unsigned most_under_way = 1;
/// How often the bound is looked at when nobody asks for anything.
constexpr std::int64_t poll_interval_us = 250'000;
constexpr std::int64_t idle_poll_interval_us = 5'000'000;

/// What was read from a table for a new slot has no number; it is rows of `logs` alone.
bool sees(const visibility &seen, const stream_window::entry &one) {
    return one.xid == 0 || seen.sees(one.xid);
}
} // namespace

snapshot_desk::snapshot_desk(stream_window &window, record_index &records, outside to)
    : window_(window)
    , records_(records)
    , to_(std::move(to)) {}

void snapshot_desk::want(record_topic &topic) {
    if (std::exchange(topic.asked_for, true))
        return;
    wanted_.push_back(topic.uuid);
    if (wanted_.size() >= most_records)
        ask();
    else
        collect();
}

void snapshot_desk::forget(record_topic &topic) {
    if (std::exchange(topic.asked_for, false))
        std::erase(wanted_, topic.uuid);
}

void snapshot_desk::collect() {
    if (std::exchange(collecting_, true))
        return;
    to_.asks.after(collecting_time, [this] {
        collecting_ = false;
        ask();
    });
}

void snapshot_desk::ask() {
    while (!wanted_.empty() && under_way_ < most_under_way) {
        question next{{}, bound_, generation_};
        const auto some = std::min(wanted_.size(), most_records);
        next.objects.assign(wanted_.begin(), wanted_.begin() + static_cast<std::ptrdiff_t>(some));
        wanted_.erase(wanted_.begin(), wanted_.begin() + static_cast<std::ptrdiff_t>(some));
        ++under_way_;
        asked_bound_ = bound_;
        auto objects = next.objects;
        to_.asks.read_records(std::move(objects), [this, next = std::move(next)](record_rows rows) {
            --under_way_;
            took(next, std::move(rows));
            ask();
        });
    }
}

void snapshot_desk::took(question of, record_rows rows) {
    if (of.generation != generation_)
        return; // asked for again by begin_anew
    if (rows.failed || !rows.primary || !rows.seen) {
        to_.asks.after(retry_time, [this, of = std::move(of)] {
            if (of.generation == generation_)
                ask_again(of);
        });
        return;
    }
    const auto end = rows.insert_lsn;
    const auto seen = *rows.seen;
    waiting_.push_back({std::move(of), std::move(rows)});
    settle(seen);
    to_.asks.barrier(end, [] {}); // has the source ask for that position; advanced() tells when we are there
    advanced();
}

void snapshot_desk::advanced() {
    if (waiting_.empty())
        return;
    const auto reached = window_.reached();
    for (std::size_t at = 0; at < waiting_.size();) {
        if (waiting_[at].rows.insert_lsn > reached) {
            ++at;
            continue;
        }
        const auto one = std::move(waiting_[at]);
        waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(at));
        if (!join(one))
            to_.asks.after(retry_time, [this, of = one.of] {
                if (of.generation == generation_)
                    ask_again(of);
            });
    }
    to_.flush();
}

bool snapshot_desk::join(const answered &one) {
    const auto &seen = *one.rows.seen;
    for (auto number = one.of.bound; number < window_.processed(); ++number)
        if (!window_.holds(number) && !(number >= window_.base() && sees(seen, window_[number])))
            return false;
    std::vector<record_topic *> topics;
    for (const auto &uuid : one.of.objects)
        if (auto *topic = records_.find(uuid); topic && topic->asked_for) {
            topic->image.set_absent();
            topic->image_changed();
            topics.push_back(topic);
        }
    const auto apply = [&](const transaction &segment) {
        for (const auto &change : segment.changes())
            if (auto *topic = records_.find(segment, change); topic && topic->asked_for)
                records_.apply(*topic, segment, change);
    };
    for (const auto &row : one.rows.rows)
        apply(*row);
    // A topic that was asked for in another question is overwritten by that one's answer.
    for (auto number = one.of.bound; number < window_.processed(); ++number)
        if (!sees(seen, window_[number]))
            window_.each_segment(number, apply);
    for (auto *topic : topics)
        topic->asked_for = false;
    for (auto *topic : topics)
        if (auto *still = records_.find(topic->uuid); still == topic)
            to_.arrived(*topic);
    return true;
}

void snapshot_desk::ask_again(const question &of) {
    for (const auto &uuid : of.objects)
        if (auto *topic = records_.find(uuid); topic && topic->asked_for)
            wanted_.push_back(uuid);
    ask();
}

void snapshot_desk::settle(const visibility &seen) {
    while (bound_ < window_.processed() && (bound_ < window_.base() || sees(seen, window_[bound_])))
        ++bound_;
    forget_settled();
}

lsn snapshot_desk::settled() const {
    if (!primary_)
        return {~std::uint64_t{0}};
    const auto first = std::max(bound_, window_.base());
    return first < window_.end() ? window_[first].commit : window_.of().decoded();
}

void snapshot_desk::forget_settled() {
    auto keep = bound_;
    if (under_way_ > 0)
        keep = std::min(keep, asked_bound_);
    for (const auto &one : waiting_)
        keep = std::min(keep, one.of.bound);
    window_.forget_before(keep);
}

void snapshot_desk::tick(std::int64_t now_us, bool in_use) {
    forget_settled();
    if (polling_ || bound_ >= window_.processed() ||
        !has_elapsed(polled_at_us_, now_us, in_use ? poll_interval_us : idle_poll_interval_us))
        return;
    polling_ = true;
    polled_at_us_ = now_us;
    to_.asks.read_records({}, [this, generation = generation_](const record_rows &rows) {
        polling_ = false;
        primary_ = rows.failed ? primary_ : rows.primary;
        if (generation == generation_ && !rows.failed && rows.primary && rows.seen)
            settle(*rows.seen);
    });
}

void snapshot_desk::begin_anew(bool other_log) {
    ++generation_;
    waiting_.clear();
    wanted_.clear();
    if (other_log)
        bound_ = window_.processed();
    records_.each([this](record_topic &topic) {
        topic.image.forget();
        topic.image_changed();
        if (topic.asked_for)
            wanted_.push_back(topic.uuid);
    });
    ask();
}

} // namespace walcast
