#include "server/watch/json_diff.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <string_view>

namespace walcast {

namespace {

using json = rapidjson::Value;
using members = std::vector<const json::Member *>;

/// Of names beyond it, paths have the beginning; and of what is below such a path, no more than that.
constexpr std::size_t most_name = 100, most_path = 300;

std::string_view name_of(const json::Member &member) {
    return {member.name.GetString(), member.name.GetStringLength()};
}

std::string below(const std::string &path, const json::Member &member) {
    return path.size() > most_path ? path : fmt::format("{}.{}", path, name_of(member).substr(0, most_name));
}

std::string below(const std::string &path, std::size_t at) {
    return path.size() > most_path ? path : fmt::format("{}[{}]", path, at);
}

members sorted(const json &object) {
    members made;
    made.reserve(object.MemberCount());
    for (const auto &member : object.GetObject())
        made.push_back(&member);
    std::stable_sort(made.begin(), made.end(),
                     [](const auto *one, const auto *other) { return name_of(*one) < name_of(*other); });
    return made;
}

const json::Member *find(const members &in, std::string_view name) {
    const auto found =
        std::lower_bound(in.begin(), in.end(), name,
                         [](const auto *member, const auto &wanted) { return name_of(*member) < wanted; });
    return found == in.end() || name_of(**found) != name ? nullptr : *found;
}

bool equal_objects(const json &one, const json &other) {
    if (one.MemberCount() != other.MemberCount())
        return false;
    const auto ours = sorted(one), theirs = sorted(other);
    for (std::size_t at = 0; at < ours.size(); ++at)
        if (name_of(*ours[at]) != name_of(*theirs[at]) || !json_equal(ours[at]->value, theirs[at]->value))
            return false;
    return true;
}

/// Adds to a list of at most so many; false when it is full.
class collector {
  public:
    collector(std::size_t most, std::vector<json_difference> &into)
        : most_(into.size() + most)
        , into_(into) {}

    bool add(std::string path, const json *before, const json *after) {
        if (into_.size() == most_)
            return false;
        into_.push_back({std::move(path), before, after});
        return true;
    }

    bool compare(const json &before, const json &after, const std::string &path) {
        if (before.IsObject() && after.IsObject())
            return compare_objects(before, after, path);
        if (before.IsArray() && after.IsArray())
            return compare_arrays(before, after, path);
        return json_equal(before, after) || add(path, &before, &after);
    }

    bool leaves(const json &value, const std::string &path) {
        if (value.IsObject() && !value.ObjectEmpty()) {
            for (const auto &member : value.GetObject())
                if (!leaves(member.value, below(path, member)))
                    return false;
            return true;
        }
        if (value.IsArray() && !value.Empty()) {
            for (rapidjson::SizeType at = 0; at < value.Size(); ++at)
                if (!leaves(value[at], below(path, at)))
                    return false;
            return true;
        }
        return add(path, nullptr, &value);
    }

  private:
    bool compare_objects(const json &before, const json &after, const std::string &path) {
        const auto known = sorted(before), now = sorted(after);
        for (const auto &member : after.GetObject()) {
            const auto *old = find(known, name_of(member));
            if (old == nullptr ? !add(below(path, member), nullptr, &member.value)
                               : !compare(old->value, member.value, below(path, member)))
                return false;
        }
        for (const auto &member : before.GetObject())
            if (find(now, name_of(member)) == nullptr && !add(below(path, member), &member.value, nullptr))
                return false;
        return true;
    }

    bool compare_arrays(const json &before, const json &after, const std::string &path) {
        rapidjson::SizeType first = 0, old_end = before.Size(), new_end = after.Size();
        while (first < std::min(old_end, new_end) && json_equal(before[first], after[first]))
            ++first;
        while (std::min(old_end, new_end) > first && json_equal(before[old_end - 1], after[new_end - 1])) {
            --old_end;
            --new_end;
        }
        auto at = first;
        for (; at < std::min(old_end, new_end); ++at)
            if (!compare(before[at], after[at], below(path, at)))
                return false;
        for (auto rest = at; rest < new_end; ++rest)
            if (!add(below(path, rest), nullptr, &after[rest]))
                return false;
        for (auto rest = at; rest < old_end; ++rest)
            if (!add(below(path, rest), &before[rest], nullptr))
                return false;
        return true;
    }

    std::size_t most_;
    std::vector<json_difference> &into_;
};

} // namespace

bool json_equal(const json &one, const json &other) {
    if (one.GetType() != other.GetType())
        return false;
    if (one.IsObject())
        return equal_objects(one, other);
    if (one.IsArray())
        return one.Size() == other.Size() && std::equal(one.Begin(), one.End(), other.Begin(), json_equal);
    return one == other;
}

bool find_differences(const json &before, const json &after, const std::string &path, std::size_t most,
                      std::vector<json_difference> &into) {
    return !collector(most, into).compare(before, after, path);
}

bool find_leaves(const json &value, const std::string &path, std::size_t most,
                 std::vector<json_difference> &into) {
    return !collector(most, into).leaves(value, path);
}

} // namespace walcast
