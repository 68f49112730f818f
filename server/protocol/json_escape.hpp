#pragma once

#include <charconv>
#include <optional>
#include <string_view>

namespace walcast {

/// `\uXXXX` within JSON strings: a UTF-16 unit, so characters beyond the first plane are two of them, a high
/// and a low surrogate.

/// Four hexadecimal digits at the front of `text`.
[[nodiscard]] inline std::optional<unsigned> hex4(std::string_view text) {
    if (text.size() < 4)
        return std::nullopt;
    unsigned number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + 4, number, 16);
    if (error != std::errc{} || end != text.data() + 4)
        return std::nullopt;
    return number;
}

[[nodiscard]] inline bool high_surrogate(unsigned unit) {
    return unit >= 0xd800 && unit <= 0xdbff;
}
[[nodiscard]] inline bool low_surrogate(unsigned unit) {
    return unit >= 0xdc00 && unit <= 0xdfff;
}

/// The low half that must follow a high one, at the front of `text`.
[[nodiscard]] inline bool low_escape_follows(std::string_view text) {
    if (!text.starts_with("\\u"))
        return false;
    const auto unit = hex4(text.substr(2));
    return unit && low_surrogate(*unit);
}

} // namespace walcast
