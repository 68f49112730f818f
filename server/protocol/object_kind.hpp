#pragma once

#include <string_view>
#include <vector>

namespace walcast {

/// The `arvados#…` kind of an object, from the class part of its uuid. A portable data hash is a collection.
/// Empty when the class is not known or this is neither.
[[nodiscard]] std::string_view object_kind(std::string_view uuid);

/// Every kind there is, in no order.
[[nodiscard]] std::vector<std::string_view> object_kinds();

/// Whether this is a portable data hash: 32 hexadecimal digits, `+`, the size, perhaps hints.
[[nodiscard]] bool is_portable_data_hash(std::string_view text);

} // namespace walcast
