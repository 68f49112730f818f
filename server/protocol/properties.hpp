#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace walcast {

/// How the reduction of a row's `properties` went.
enum class properties_outcome : std::uint8_t {
    complete,  ///< everything a client is due
    truncated, ///< too large: cut to fit, with `"truncated":true`
    unreadable ///< neither a JSON nor a YAML object: the event is not sent
};

/// Appends to `into` what v0 clients get of the text in `logs.properties`, as one JSON object of at most
/// `max_bytes` (at least 1024).
///
/// With a key `text` the whole object is passed on, byte ranges copied as they are. Without, only
/// `old_attributes` and `new_attributes`, each reduced to is_trashed, name, owner_uuid, portable_data_hash,
/// requesting_container_uuid and state; one that is no object is left out. An empty text and null are `{}`.
/// JSON is read in one pass with memory for the longest string in it; anything else is read as YAML 1.1 (rows
/// from before 2017), up to max_yaml_bytes.
///
/// An object that is too large is cut: `text` at a character boundary, the other keys dropped if it takes
/// that; or long values of the six attributes. On `unreadable` nothing is appended.
[[nodiscard]] properties_outcome reduce_properties(std::string_view text, std::size_t max_bytes,
                                                   std::string &into);

/// Nobody has written YAML since 2017, and reading it takes up to a microsecond a byte: this bounds what one
/// row can cost.
inline constexpr std::size_t max_yaml_bytes = std::size_t{256} << 10;

} // namespace walcast
