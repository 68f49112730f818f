#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace walcast {

/// U+FFFD, what stands for bytes that are not UTF-8.
inline constexpr std::string_view replacement_character = "\xef\xbf\xbd";

/// The length of the UTF-8 character that `text` begins with, 1 to 4; 0 when it begins with none (overlong
/// forms and surrogates are none). `text` must not be empty.
[[nodiscard]] std::size_t utf8_length(std::string_view text);

[[nodiscard]] bool is_utf8(std::string_view text);

/// Appends `text` as a JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD each.
void append_json_string(std::string &into, std::string_view text);
/// The same, alone.
[[nodiscard]] std::string json_string(std::string_view text);

} // namespace walcast
