#include "server/watch/safe_text.hpp"

#include "server/protocol/utf8.hpp"

#include <cstdint>
#include <fmt/format.h>
#include <iterator>

namespace walcast {

namespace {

enum class context : std::uint8_t { plain, quoted, json };

char32_t decode(std::string_view character) {
    const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(character[at]); };
    if (character.size() == 1)
        return byte(0);
    char32_t code = byte(0) & (0xffU >> (character.size() + 1));
    for (std::size_t at = 1; at < character.size(); ++at)
        code = code << 6 | (byte(at) & 0x3fU);
    return code;
}

/// What a terminal obeys rather than shows.
constexpr bool acts(char32_t code) {
    const auto within = [code](char32_t first, char32_t last) { return code >= first && code <= last; };
    return code < 0x20 || within(0x7f, 0x9f) || code == 0x061c || within(0x200b, 0x200f) ||
           within(0x2028, 0x202e) || within(0x2060, 0x206f) || code == 0xfeff || within(0xfff9, 0xfffb) ||
           within(0xe0000, 0xe007f);
}

void append_escaped(std::string &into, char32_t code, context where) {
    const auto number = static_cast<std::uint32_t>(code);
    auto out = std::back_inserter(into);
    if (where == context::json) {
        if (code == '\n' || code == '\r' || code == '\t')
            into += ' '; // JSON has them between tokens only
        else if (number < 0x10000)
            fmt::format_to(out, "\\u{:04x}", number);
        else
            fmt::format_to(out, "\\u{:04x}\\u{:04x}", 0xd7c0 + (number >> 10), 0xdc00 + (number & 0x3ff));
    } else if (code == '\n') {
        into += "\\n";
    } else if (code == '\r') {
        into += "\\r";
    } else if (code == '\t') {
        into += "\\t";
    } else {
        fmt::format_to(out, "\\{}{:0{}x}", number < 0x10000 ? 'u' : 'U', number, number < 0x10000 ? 4 : 8);
    }
}

std::string escape(std::string_view text, context where) {
    std::string made;
    made.reserve(text.size() + 2);
    while (!text.empty()) {
        const auto length = utf8_length(text);
        if (length == 0) {
            made += replacement_character;
            text.remove_prefix(1);
            continue;
        }
        const auto character = text.substr(0, length);
        if (const auto code = decode(character); acts(code)) {
            append_escaped(made, code, where);
        } else {
            if (where == context::quoted && (code == '"' || code == '\\'))
                made += '\\';
            made += character;
        }
        text.remove_prefix(length);
    }
    return made;
}

} // namespace

std::string safe_text(std::string_view text) {
    return escape(text, context::plain);
}

std::string quoted_text(std::string_view text) {
    return '"' + escape(text, context::quoted) + '"';
}

std::string safe_json_line(std::string_view json) {
    return escape(json, context::json);
}

std::string_view shortened(std::string_view text, std::size_t most) {
    if (text.size() <= most)
        return text;
    while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xc0U) == 0x80)
        --most;
    return text.substr(0, most);
}

} // namespace walcast
