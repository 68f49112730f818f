#include "db/id_set.hpp"

#include <algorithm>
#include <iterator>

namespace walcast {

bool id_set::insert(std::int64_t id) {
    greatest_ = std::max(greatest_, id);
    auto after = runs_.upper_bound(id);
    const auto before = after == runs_.begin() ? runs_.end() : std::prev(after);
    if (before != runs_.end() && id <= before->second)
        return false;
    const bool joins_before = before != runs_.end() && before->second + 1 == id;
    const bool joins_after = after != runs_.end() && after->first == id + 1;
    const auto last = joins_after ? after->second : id;
    if (joins_after)
        runs_.erase(after);
    if (joins_before)
        before->second = last;
    else
        runs_[id] = last;
    return true;
}

bool id_set::contains(std::int64_t id) const {
    const auto after = runs_.upper_bound(id);
    return after != runs_.begin() && id <= std::prev(after)->second;
}

void id_set::forget(std::int64_t floor) {
    while (!runs_.empty() && runs_.begin()->first <= floor) {
        const auto last = runs_.begin()->second;
        runs_.erase(runs_.begin());
        if (last > floor) {
            runs_[floor + 1] = last;
            break;
        }
    }
}

} // namespace walcast
