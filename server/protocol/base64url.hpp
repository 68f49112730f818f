#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace walcast {

/// Base64 for URLs (RFC 4648 §5), without padding. On the way of every message: no allocation.

/// Characters for so many bytes.
[[nodiscard]] constexpr std::size_t base64url_length(std::size_t bytes) {
    return (bytes * 8 + 5) / 6;
}
/// Writes base64url_length(bytes.size()) characters.
void write_base64url(std::span<const unsigned char> bytes, char *into);
/// False if the text is not what write_base64url makes of so many bytes, to the letter: the bits of the last
/// character that mean nothing must be zero.
[[nodiscard]] bool read_base64url(std::string_view text, std::span<unsigned char> into);

} // namespace walcast
