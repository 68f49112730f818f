#include "server/session/filter_index.hpp"

#include <span>
#include <utility>

namespace walcast {

template <class Function>
void filter_index::each_bucket(const filter_group &of, Function &&act) {
    const auto in = [&](buckets &all, std::span<const std::string> keys) {
        for (const auto &key : keys) {
            auto &into = all[key];
            act(into);
            if (into.empty())
                all.erase(key);
        }
    };
    if (const auto objects = of.filter->required_object_uuids())
        in(by_object_, *objects);
    else if (const auto types = of.filter->required_event_types())
        in(by_type_, *types);
    else
        act(rest_);
}

void filter_index::insert(indexed_filter &added) {
    auto [at, is_new] = groups_.try_emplace(std::string(added.filter->canonical()));
    if (is_new) {
        at->second = std::make_unique<filter_group>(filter_group{added.filter, {}});
        auto *group = at->second.get();
        each_bucket(*group, [&](bucket &into) { into.push_back(group); });
    }
    added.group = at->second.get();
    added.filter = added.group->filter; // identical filters share their memory
    added.slot = static_cast<std::uint32_t>(added.group->members.size());
    added.group->members.push_back(&added);
}

void filter_index::erase(indexed_filter &removed) {
    auto *group = std::exchange(removed.group, nullptr);
    if (!group)
        return;
    group->members[removed.slot] = group->members.back();
    group->members[removed.slot]->slot = removed.slot;
    group->members.pop_back();
    if (!group->members.empty())
        return;
    each_bucket(*group, [&](bucket &from) { std::erase(from, group); });
    groups_.erase(groups_.find(group->filter->canonical()));
}

} // namespace walcast
