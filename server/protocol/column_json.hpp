#pragma once

#include "server/feed/value.hpp"

#include <cstdint>
#include <string>

namespace walcast {

/// What a text column holds.
enum class text_content : std::uint8_t {
    words,
    serialized, ///< JSON, or in old rows YAML
};

/// Appends one column's value as JSON, without a line feed in it. The text form of a value and its binary
/// form become the same bytes.
///
/// Integers beyond 2^53 are strings. So are numerics that are no plain number, and values of types that are
/// not known, in their text form. Null are floats that are not finite, times that RFC 3339 cannot write (of
/// years above 9999, infinity), and what does not parse. JSON and serialized text are nested; what is neither
/// JSON nor YAML, or nests deeper than 200 levels, is a string.
void append_column(std::string &into, const value &of, std::uint32_t type, text_content content);

} // namespace walcast
