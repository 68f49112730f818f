#include "server/protocol/utf8.hpp"

#include <array>

namespace walcast {

namespace {

/// How a byte is written within a JSON string.
enum class writing : unsigned char { plain, short_escape, long_escape, beyond_ascii };

constexpr std::array<writing, 256> writings = [] {
    std::array<writing, 256> table{};
    for (std::size_t byte = 0; byte < 0x20; ++byte)
        table[byte] = writing::long_escape;
    for (const unsigned char byte : {'"', '\\', '\b', '\f', '\n', '\r', '\t'})
        table[byte] = writing::short_escape;
    for (std::size_t byte = 0x80; byte < 256; ++byte)
        table[byte] = writing::beyond_ascii;
    return table;
}();

constexpr char short_escape(char byte) {
    switch (byte) {
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return byte;
    }
}

} // namespace

std::size_t utf8_length(std::string_view text) {
    const auto byte = [text](std::size_t at) { return static_cast<unsigned char>(text[at]); };
    const auto follows = [&](std::size_t at, unsigned low = 0x80, unsigned high = 0xbf) {
        return at < text.size() && byte(at) >= low && byte(at) <= high;
    };
    const unsigned lead = byte(0);
    if (lead < 0x80)
        return 1;
    if (lead >= 0xc2 && lead <= 0xdf)
        return follows(1) ? 2 : 0;
    if (lead >= 0xe0 && lead <= 0xef) {
        const unsigned low = lead == 0xe0 ? 0xa0 : 0x80;
        const unsigned high = lead == 0xed ? 0x9f : 0xbf;
        return follows(1, low, high) && follows(2) ? 3 : 0;
    }
    if (lead >= 0xf0 && lead <= 0xf4) {
        const unsigned low = lead == 0xf0 ? 0x90 : 0x80;
        const unsigned high = lead == 0xf4 ? 0x8f : 0xbf;
        return follows(1, low, high) && follows(2) && follows(3) ? 4 : 0;
    }
    return 0;
}

bool is_utf8(std::string_view text) {
    while (!text.empty()) {
        const auto length = utf8_length(text);
        if (length == 0)
            return false;
        text.remove_prefix(length);
    }
    return true;
}

void append_json_string(std::string &into, std::string_view text) {
    into.push_back('"');
    std::size_t copied = 0;
    for (std::size_t at = 0; at < text.size();) {
        const char byte = text[at];
        const auto how = writings[static_cast<unsigned char>(byte)];
        if (how == writing::plain) {
            ++at;
            continue;
        }
        if (how == writing::beyond_ascii) {
            if (const auto length = utf8_length(text.substr(at)); length != 0) {
                at += length;
                continue;
            }
        }
        into.append(text, copied, at - copied);
        copied = ++at;
        if (how == writing::beyond_ascii) {
            into.append(replacement_character);
        } else if (how == writing::short_escape) {
            into.push_back('\\');
            into.push_back(short_escape(byte));
        } else {
            constexpr std::string_view digits = "0123456789abcdef";
            into.append("\\u00");
            into.push_back(digits[static_cast<unsigned char>(byte) >> 4]);
            into.push_back(digits[static_cast<unsigned char>(byte) & 15]);
        }
    }
    into.append(text, copied, text.size() - copied);
    into.push_back('"');
}

std::string json_string(std::string_view text) {
    std::string made;
    append_json_string(made, text);
    return made;
}

} // namespace walcast
