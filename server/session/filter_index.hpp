#pragma once

#include "server/protocol/event.hpp"
#include "server/protocol/event_filter.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace walcast {

struct filter_group;

/// What a subscription to events has to be found by: a base of it.
struct indexed_filter {
    std::shared_ptr<const event_filter> filter;
    filter_group *group = nullptr; ///< where it is indexed, or null
    std::uint32_t slot = 0;        ///< its place among the group's members
};

/// Everyone with the same filter.
struct filter_group {
    std::shared_ptr<const event_filter> filter;
    std::vector<indexed_filter *> members;
};

/// Finds the subscriptions that an event matches: each distinct filter is evaluated once per event however
/// many sessions have it, and a filter that names its object or its event types is only looked at when the
/// event has them.
class filter_index {
  public:
    void insert(indexed_filter &added);
    void erase(indexed_filter &removed);

    /// Calls `found` for each matching subscription; must not insert or erase meanwhile.
    template <class Function>
    void match(const event &of, Function &&found) const {
        if (const auto by_object = by_object_.find(of.object_uuid); by_object != by_object_.end())
            match_in(by_object->second, of, found);
        if (const auto by_type = by_type_.find(of.event_type); by_type != by_type_.end())
            match_in(by_type->second, of, found);
        match_in(rest_, of, found);
    }

    [[nodiscard]] bool empty() const { return groups_.empty(); }

  private:
    using bucket = std::vector<filter_group *>;
    struct text_hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
    };
    using buckets = std::unordered_map<std::string, bucket, text_hash, std::equal_to<>>;

    template <class Function>
    static void match_in(const bucket &groups, const event &of, Function &&found) {
        for (const auto *group : groups)
            if (group->filter->matches(of))
                for (auto *member : group->members)
                    found(*member);
    }

    /// Calls `act` with each bucket that the group belongs into.
    template <class Function>
    void each_bucket(const filter_group &of, Function &&act);

    std::unordered_map<std::string, std::unique_ptr<filter_group>, text_hash, std::equal_to<>>
        groups_; ///< by canonical form
    buckets by_object_;
    buckets by_type_;
    bucket rest_;
};

} // namespace walcast
