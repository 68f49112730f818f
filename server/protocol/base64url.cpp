#include "server/protocol/base64url.hpp"

#include <array>
#include <cstdint>

namespace walcast {

namespace {

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// What six bits a character stands for; 0xff: none.
constexpr auto meanings = [] {
    std::array<std::uint8_t, 256> all;
    all.fill(0xff);
    for (std::size_t bits = 0; bits < alphabet.size(); ++bits)
        all[static_cast<unsigned char>(alphabet[bits])] = static_cast<std::uint8_t>(bits);
    return all;
}();

} // namespace

void write_base64url(std::span<const unsigned char> bytes, char *into) {
    std::size_t at = 0;
    for (; at + 3 <= bytes.size(); at += 3) {
        const unsigned bits = static_cast<unsigned>(bytes[at]) << 16 |
                              static_cast<unsigned>(bytes[at + 1]) << 8 | bytes[at + 2];
        *into++ = alphabet[bits >> 18];
        *into++ = alphabet[bits >> 12 & 63];
        *into++ = alphabet[bits >> 6 & 63];
        *into++ = alphabet[bits & 63];
    }
    const auto left = bytes.size() - at;
    if (left == 0)
        return;
    const unsigned bits =
        static_cast<unsigned>(bytes[at]) << 16 | (left == 2 ? static_cast<unsigned>(bytes[at + 1]) << 8 : 0U);
    *into++ = alphabet[bits >> 18];
    *into++ = alphabet[bits >> 12 & 63];
    if (left == 2)
        *into++ = alphabet[bits >> 6 & 63];
}

bool read_base64url(std::string_view text, std::span<unsigned char> into) {
    if (text.size() != base64url_length(into.size()))
        return false;
    unsigned bits = 0, held = 0;
    std::size_t at = 0;
    for (const char character : text) {
        const unsigned six = meanings[static_cast<unsigned char>(character)];
        if (six == 0xff)
            return false;
        bits = bits << 6 | six;
        held += 6;
        if (held >= 8) {
            held -= 8;
            into[at++] = static_cast<unsigned char>(bits >> held);
            bits &= (1U << held) - 1;
        }
    }
    return bits == 0;
}

} // namespace walcast
