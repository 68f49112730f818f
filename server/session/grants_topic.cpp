#include "server/session/grants_topic.hpp"

#include "server/protocol/grants_encode.hpp"
#include "server/protocol/v1_encode.hpp"
#include "server/session/v1_session.hpp"

#include <algorithm>
#include <utility>

namespace walcast {

namespace {
/// A database that answers with an error is asked again after it.
constexpr std::chrono::milliseconds retry_time{250};
} // namespace

shared_frame frame_of(const reading_change &change, bool all, std::int64_t committed_at_us) {
    const auto views = [](const std::vector<uuid_text> &uuids) {
        std::vector<std::string_view> made;
        for (const auto &one : uuids)
            made.push_back(one.view());
        return made;
    };
    const auto gained = views(change.gained_uuids), lost = views(change.lost_uuids);
    return make_frame(
        encode_grants_change({change.gained, gained}, {change.lost, lost}, all, committed_at_us));
}

const grants_topic::past_change *grants_topic::find(std::uint64_t number) const {
    const auto found =
        std::lower_bound(past.begin(), past.end(), number,
                         [](const past_change &one, std::uint64_t sought) { return one.number < sought; });
    return found == past.end() || found->number != number ? nullptr : &*found;
}

shared_frame grants_topic::snapshot() const {
    return make_frame(encode_grants_count(now->count, now->all));
}

void grants_topic::remember(past_change one) {
    past_bytes += one.body->bytes().size();
    past.push_back(std::move(one));
    while (past_bytes > most_past)
        forget_before(past.front().number + 1);
}

void grants_topic::forget_before(std::uint64_t number) {
    for (; !past.empty() && past.front().number < number; past.pop_front())
        past_bytes -= past.front().body->bytes().size();
    past_begins = std::max(past_begins, number);
}

void grants_topic::begin_past(std::uint64_t number) {
    past.clear();
    past_bytes = 0;
    past_begins = number;
    always_alone = now && now->alone;
}

grants_desk::grants_desk(const stream_window &window, outside to)
    : window_(window)
    , to_(std::move(to)) {}

grants_topic *grants_desk::find(const uuid_text &user) {
    const auto found = topics_.find(user);
    return found == topics_.end() ? nullptr : found->second.get();
}

void grants_desk::join(v1_subscription &one, const uuid_text &user) {
    auto &topic = topics_[user];
    if (!topic) {
        topic = std::make_unique<grants_topic>();
        topic->user = user;
    }
    one.grants = topic.get();
    topic->members.push_back(&one);
}

void grants_desk::leave(v1_subscription &one) {
    auto &topic = *std::exchange(one.grants, nullptr);
    std::erase(topic.members, &one);
    if (topic.members.empty())
        deserted_.push_back(topic.user);
}

void grants_desk::want(grants_topic &topic) {
    if (!topic.watch.held)
        topic.watch = to_.asks.watch_grants(topic.user);
}

void grants_desk::confirm(grants_topic &topic) {
    ++topic.asked;
    wanted_.push_back(topic.user);
    ask();
}

void grants_desk::ask() {
    // One question at a time, for all who came since the last one was asked.
    if (wanted_.empty() || std::exchange(asking_, true))
        return;
    to_.asks.read_records({}, [this, users = std::exchange(wanted_, {})](const record_rows &rows) {
        asking_ = false;
        asked(users, rows);
        ask();
    });
}

void grants_desk::asked(const std::vector<uuid_text> &users, const record_rows &rows) {
    if (rows.failed) {
        to_.asks.after(retry_time, [this, users] {
            wanted_.insert(wanted_.end(), users.begin(), users.end());
            ask();
        });
        return;
    }
    to_.when_processed(rows.insert_lsn, [this, users] {
        for (const auto &user : users) {
            auto *topic = find(user);
            if (topic == nullptr || topic->asked == 0)
                continue;
            --topic->asked;
            for (auto *member : std::vector(topic->members))
                member->owner->snapshot_arrived(*member);
        }
        to_.flush();
    });
}

void grants_desk::touch(grants_topic &topic) {
    if (!std::exchange(topic.touched, true))
        touched_.push_back(&topic);
}

void grants_desk::note(const grants_report &said, std::int64_t committed_at_us) {
    auto *topic = find(said.user);
    // What was said to who asked before may be followed by changes that we were not told.
    if (topic == nullptr || !topic->watch.held || said.epoch != epoch_ ||
        (!topic->now && said.ticket < topic->watch.ticket))
        return;
    // Whether its own rows are all that counts is nothing to tell.
    const bool tells =
        said.change && topic->now && (!said.change->empty() || said.now.all != topic->now->all);
    const bool known = std::exchange(topic->now, said.now).has_value();
    topic->always_alone = topic->always_alone && said.now.alone;
    if (!known) {
        topic->arrived = true;
        topic->begin_past(window_.processed());
        touch(*topic);
    } else if (tells && committed_at_us > 0 && said.transaction + 1 == window_.processed()) {
        const auto at = end_of(window_[said.transaction].commit);
        const auto body = frame_of(*said.change, said.now.all, committed_at_us);
        topic->fresh.push_back({at, 0, {{nullptr, body}}});
        topic->remember({said.transaction, at, body});
        touch(*topic);
    } else if (tells) {
        topic->begin_past(window_.processed()); // it was passed by
    }
}

void grants_desk::note(const object_verdict &said) {
    if (topics_.empty())
        return;
    auto *topic = find(managed_user(said.object));
    if (topic == nullptr)
        return;
    for (auto *member : topic->members)
        if (member->owner->reader() == said.who)
            member->right = said.is;
    touch(*topic);
}

void grants_desk::settle() {
    for (std::size_t at = 0; at < touched_.size(); ++at) {
        auto &topic = *touched_[at];
        topic.touched = false;
        const auto fresh = std::exchange(topic.fresh, {});
        const bool arrived = std::exchange(topic.arrived, false);
        // A member may end, and be gone, by what it is told.
        for (auto *member : std::vector(topic.members)) {
            member->owner->settle(*member, fresh);
            if (arrived &&
                std::find(topic.members.begin(), topic.members.end(), member) != topic.members.end())
                member->owner->snapshot_arrived(*member);
        }
    }
    touched_.clear();
}

void grants_desk::begin_anew(std::uint64_t epoch) {
    epoch_ = epoch;
    for (auto &[user, topic] : topics_) {
        topic->now.reset();
        topic->arrived = false;
        topic->fresh.clear();
        topic->begin_past(window_.end());
    }
}

void grants_desk::sweep() {
    for (const auto &user : std::exchange(deserted_, {}))
        if (auto *topic = find(user); topic != nullptr && topic->members.empty())
            topics_.erase(user);
}

void grants_desk::trim() {
    if (topics_.empty())
        return;
    auto held = window_.base();
    while (held < window_.processed() && !window_.holds(held))
        ++held;
    for (auto &[user, topic] : topics_)
        if (topic->past_begins < held)
            topic->forget_before(held);
}

} // namespace walcast
