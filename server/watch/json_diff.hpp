#pragma once

#include <cstddef>
#include <rapidjson/document.h>
#include <string>
#include <vector>

namespace walcast {

/// One place at which two JSON values differ.
struct json_difference {
    std::string path; ///< `mounts./tmp.capacity`, `command[2]`; not fit for a terminal
    const rapidjson::Value *before = nullptr; ///< null: it is not there
    const rapidjson::Value *after = nullptr;
};

/// Where `after` differs from `before`, as deep as there is something in common, in the order of `after`,
/// what is gone behind it. The order of members does not count. In arrays what is alike at the begin and at
/// the end is left out, and what is between is compared in pairs. `path` is that of the two values.
///
/// At most `most` differences; true if there are more. Whatever is in the values, the time is
/// their size (names are sorted) times their depth. The pointers are into the values.
bool find_differences(const rapidjson::Value &before, const rapidjson::Value &after, const std::string &path,
                      std::size_t most, std::vector<json_difference> &into);

/// Everything in a value that is no object or array, or an empty one of these, in the same form: as `after`.
bool find_leaves(const rapidjson::Value &value, const std::string &path, std::size_t most,
                 std::vector<json_difference> &into);

[[nodiscard]] bool json_equal(const rapidjson::Value &one, const rapidjson::Value &other);

} // namespace walcast
