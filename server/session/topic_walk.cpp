// The part of topic_hub that goes through the past: for who resumes, and for sessions that were behind.

#include "server/session/topic_hub.hpp"
#include "server/session/v1_session.hpp"

#include <algorithm>
#include <utility>

namespace walcast {

namespace {
/// Subscriptions that resume within this time walk the feed together.
constexpr std::chrono::milliseconds resuming_time{1};
/// Changes that one session looks at in a turn, before others have theirs.
constexpr std::size_t walk_slice = 8'192;
} // namespace

/// One transaction of a walk.
struct walk_step {
    const walk_set &whom;
    v1_session *alone;
    std::uint64_t number;
    /// `alone` stopped before it: it is looked at for what must be asked, and nothing is sent.
    bool foresees;
    bool stopped = foresees;

    /// Has something sent, unless that one has no room or must ask first: then it goes on here later.
    template <class Send>
    void take(v1_subscription &one, Send &&send) {
        if (stopped && alone != nullptr)
            return;
        if (one.owner->has_room() && send())
            return;
        stopped = true;
        if (alone == nullptr)
            one.owner->stop_at(number);
    }
};

void walk_set::add(v1_subscription &one) {
    if (one.record != nullptr)
        records[one.record].push_back(&one);
    else if (one.grants != nullptr)
        grants[one.grants].push_back(&one);
    else
        events.push_back(&one);
}

std::optional<std::uint64_t> topic_hub::walk(std::uint64_t from, const walk_set &whom, v1_session *alone) {
    if (from < window_.base() && from < window_.processed())
        return std::nullopt;
    std::size_t looked_at = 0;
    std::optional<std::uint64_t> stop; // where `alone` has to wait
    for (auto number = from; number < window_.processed(); ++number) {
        if (!window_.holds(number))
            return stop;
        std::size_t count = 0;
        window_.each_segment(number, [&](const transaction &segment) { count += segment.changes().size(); });
        if (looked_at > 0 && alone != nullptr && looked_at + count > walk_slice)
            return stop.value_or(number);
        looked_at += count;
        walk_step step{whom, alone, number, stop.has_value()};
        walk_through(step);
        if (!step.stopped || alone == nullptr)
            continue;
        stop = stop.value_or(number);
        if (!alone->asks_more())
            return stop;
    }
    return stop.value_or(window_.processed());
}

void topic_hub::walk_through(walk_step &step) {
    // A row of `logs` may be a record that somebody follows, and is an event all the same.
    const auto known = past_audiences_.find(step.number);
    const auto readers = known == past_audiences_.end() ? std::span<const audience_ptr>() : known->second;
    auto place = readers.empty() || step.whom.events.empty() ? 0 : readers.size() - events_in(step.number);
    window_.each_segment(step.number, [&](const transaction &segment) {
        for (const auto &change : segment.changes()) {
            if (!step.foresees)
                walk_record(step, segment, change);
            event what;
            if (step.whom.events.empty() || reader_.read(segment, change, what) != event_problem::none)
                continue;
            walk_event(step, segment, segment.position_of(change), what,
                       place < readers.size() ? readers[place].get() : nullptr);
            ++place;
        }
    });
    for (const auto &[topic, subscriptions] : step.whom.grants)
        if (const auto *change = topic->find(step.number))
            for (auto *one : subscriptions)
                if (one->at < change->at && one->is != v1_subscription::standing::waiting)
                    step.take(*one, [&] {
                        one->owner->send_change(*one, change->at, change->body);
                        return true;
                    });
}

void topic_hub::walk_record(walk_step &step, const transaction &segment, const change &change) {
    auto *topic = records_.find(segment, change);
    const auto found = topic == nullptr ? step.whom.records.end() : step.whom.records.find(topic);
    if (found == step.whom.records.end())
        return;
    const auto at = segment.position_of(change);
    const auto row_id = records_.row_id_of(segment, change);
    records_.note_row_id(*topic, row_id, false);
    std::vector<std::pair<const projection *, shared_frame>> frames;
    for (auto *one : found->second)
        if (one->at < at && one->is != v1_subscription::standing::waiting)
            step.take(*one, [&] {
                // Another row was there before, and was deleted unseen, or none.
                if (one->guessed && change.kind == change_kind::insert) {
                    one->owner->reset(*one, v1_reset::expired);
                    return true;
                }
                one->row_id = row_id;
                one->owner->send_change(*one, at, past_frame(segment, change, *one, frames));
                return true;
            });
}

void topic_hub::walk_event(walk_step &step, const transaction &segment, position at, const event &what,
                           const audience *readers) {
    shared_frame body;
    for (auto *one : step.whom.events) {
        if (one->at >= at || !one->filter->matches(what))
            continue;
        if (step.stopped && step.alone != nullptr)
            step.alone->foresee(step.number, at, what, readers);
        else
            step.take(*one, [&] {
                if (!body)
                    body = encode_event(what, segment.committed_at());
                return one->owner->send_past_event(*one, step.number, at, what, readers, body);
            });
    }
}

shared_frame topic_hub::past_frame(const transaction &segment, const change &one, const v1_subscription &to,
                                   std::vector<std::pair<const projection *, shared_frame>> &made) {
    for (const auto &[columns, frame] : made)
        if (columns == to.columns.get())
            return frame;
    record_image image;
    image.apply(segment, one);
    std::string body;
    const bool tells = encode_record_change(change_type_of(one.kind), record_image(), image, *to.columns,
                                            segment.committed_at(), body);
    return made.emplace_back(to.columns.get(), tells ? make_frame(std::move(body)) : nullptr).second;
}

void topic_hub::want_resume(v1_subscription &one) {
    resuming_.push_back(&one);
    if (!std::exchange(resume_soon_, true))
        outside_.after(resuming_time, [this] { resume_all(); });
}

void topic_hub::resume_all() {
    resume_soon_ = false;
    walk_set set;
    auto from = window_.processed();
    grants_desk::places back;
    for (const auto *one : resuming_)
        if (one->grants != nullptr)
            back.add(*one->grants, window_.first_behind(one->at));
    grants_.reach_back(back);
    std::vector<v1_subscription *> refused;
    for (auto *one : resuming_) {
        const auto first = window_.first_behind(one->at);
        if (one->grants != nullptr && !one->grants->reaches(first)) {
            refused.push_back(one);
            continue;
        }
        set.add(*one);
        from = std::min(from, first);
    }
    const auto reached = walk(from, set, nullptr);
    for (auto *one : std::exchange(resuming_, {})) {
        if (one->is != v1_subscription::standing::resuming)
            continue;
        if (!reached || std::find(refused.begin(), refused.end(), one) != refused.end())
            one->owner->reset(*one, v1_reset::expired);
        else if (one->owner->flowing())
            one->owner->resumed(*one);
    }
    flush_dirty();
}

} // namespace walcast
