// The part of grants_desk that works changes of grants out of the feed.

#include "server/session/grants_topic.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace walcast {

namespace {

/// What the changes of the user's own rows in one transaction come to, and of all transactions.
class worked_out {
  public:
    worked_out(grants_topic &topic, std::uint64_t from)
        : topic_(topic)
        , begins_(from)
        , ends_(topic.past_begins) {}

    [[nodiscard]] bool wants(std::uint64_t number) const { return begins_ <= number && number < ends_; }
    void fail() { failed_ = true; }

    /// True if it is the first one of its transaction.
    bool add(const grant_change &change) {
        const bool first = touched_.empty();
        const auto [at, fresh] =
            touched_.try_emplace(std::string(change.target.view()), std::pair(change.before, change.after));
        at->second.second = change.after;
        return first;
    }

    void end_transaction(std::uint64_t number, lsn commit, std::int64_t committed_at_us) {
        reading_change made;
        for (const auto &[target, states] : std::exchange(touched_, {})) {
            const auto &[before, after] = states;
            const auto manages = [](const grant &of) { return of.level > 0 && of.owned; };
            if (class_of(target) == object_class::user && manages(before) != manages(after))
                fail(); // the rows of another user count from here on, or did so until here
            if ((before.level > 0) == (after.level > 0))
                continue;
            auto &count = after.level > 0 ? made.gained : made.lost;
            auto &uuids = after.level > 0 ? made.gained_uuids : made.lost_uuids;
            if (count++ < reading_change::most_named)
                uuids.emplace_back(target); // they come in order
        }
        if (made.empty() || failed_)
            return;
        auto body = frame_of(made, topic_.now->all, committed_at_us);
        bytes_ += body->bytes().size();
        made_.push_back({number, end_of(commit), std::move(body)});
        failed_ = bytes_ + topic_.past_bytes > grants_topic::most_past;
    }

    void install() {
        if (failed_)
            return;
        topic_.past.insert(topic_.past.begin(), made_.begin(), made_.end());
        topic_.past_bytes += bytes_;
        topic_.past_begins = begins_;
    }

  private:
    grants_topic &topic_;
    std::uint64_t begins_;
    std::uint64_t ends_; ///< from this transaction on it is known
    std::map<std::string, std::pair<grant, grant>> touched_;
    std::vector<grants_topic::past_change> made_;
    std::size_t bytes_ = 0;
    bool failed_ = false;
};

} // namespace

void grants_desk::reach_back(const places &back) {
    std::unordered_map<uuid_text, worked_out> users;
    auto begin = window_.processed(), end = window_.base();
    for (const auto &[topic, from] : back.of)
        if (topic->now && topic->always_alone && topic->past_begins > from) {
            users.try_emplace(topic->user, *topic, from);
            begin = std::min(begin, from);
            end = std::max(end, topic->past_begins);
        }
    std::vector<access_change> found;
    std::vector<worked_out *> touched;
    for (auto number = begin; number < end; ++number) {
        if (!window_.holds(number))
            return;
        std::int64_t committed_at = 0;
        window_.each_segment(number, [&](const transaction &segment) {
            committed_at = segment.committed_at();
            for (const auto &change : segment.changes())
                changes_.read(segment, change, found);
            for (const auto &change : found) {
                if (const auto *grant = std::get_if<grant_change>(&change)) {
                    const auto at = users.find(grant->user);
                    if (at != users.end() && at->second.wants(number) && at->second.add(*grant))
                        touched.push_back(&at->second);
                } else if (const auto *row = std::get_if<object_change>(&change)) {
                    // It was an administrator, perhaps, and became none: the row before is not there.
                    const auto at = users.find(row->uuid);
                    if (at != users.end() && at->second.wants(number))
                        at->second.fail();
                } else if (const auto *all = std::get_if<all_gone>(&change)) {
                    if (all->of != all_gone::table::permissions)
                        continue;
                    for (auto &[user, one] : users)
                        if (one.wants(number))
                            one.fail();
                }
            }
            found.clear();
        });
        for (auto *one : std::exchange(touched, {}))
            one->end_transaction(number, window_[number].commit, committed_at);
    }
    for (auto &[user, one] : users)
        one.install();
}

} // namespace walcast
