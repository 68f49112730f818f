#pragma once

#include <string>
#include <string_view>

namespace walcast {

/// Rewrites a JSON text so that nothing in it is irregular: bad bytes and half pairs become U+FFFD, numbers
/// beyond the range of a double become strings. The text must be JSON as json_scanner sees it.
[[nodiscard]] std::string regular_json(std::string_view text);

/// The characters of a JSON string, given with its quotes. Must not be irregular.
[[nodiscard]] std::string decode_json_string(std::string_view token);

/// Whether a JSON string (with its quotes, escaped or not) is this text, which has no characters that need
/// escaping.
[[nodiscard]] bool json_string_is(std::string_view token, std::string_view text);

} // namespace walcast
