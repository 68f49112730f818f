#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace walcast {

/// `%2F` and the like as the bytes that they stand for, `+` as a space; what is no such escape stays as it
/// is.
[[nodiscard]] std::string percent_decode(std::string_view text);

/// The parameters in the query of a request's target, in their order, names and values decoded.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> query_parameters(std::string_view target);

/// The value of the first parameter of this name; nothing if there is none.
[[nodiscard]] std::optional<std::string> query_parameter(std::string_view target, std::string_view name);

/// What of the target is before its query.
[[nodiscard]] std::string_view path_of(std::string_view target);

} // namespace walcast
