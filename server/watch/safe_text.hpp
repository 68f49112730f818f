#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace walcast {

/// Text from outside, made fit for a terminal.
///
/// Whoever may write an event chooses its characters. These must not reach the terminal: control characters
/// (C0, DEL and C1, which begin escape sequences), what changes the direction of text (an event could show
/// other things than it says), invisible tags, and line and paragraph separators (an event could look like
/// two). They become `\n`, `\t`, `\r` or `\u009b`. Bytes that are not UTF-8 become U+FFFD.
[[nodiscard]] std::string safe_text(std::string_view text);

/// The same between quotes; quotes and backslashes in the text are escaped too.
[[nodiscard]] std::string quoted_text(std::string_view text);

/// A JSON text as one line fit for a terminal, equal as JSON: unchanged, but for characters as above, which
/// become `\u` escapes, and line breaks between tokens, which become spaces.
[[nodiscard]] std::string safe_json_line(std::string_view json);

/// The first `most` bytes at most, without cutting a character in two.
[[nodiscard]] std::string_view shortened(std::string_view text, std::size_t most);

} // namespace walcast
