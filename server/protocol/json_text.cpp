#include "server/protocol/json_text.hpp"

#include "server/protocol/json_escape.hpp"
#include "server/protocol/json_scanner.hpp"
#include "server/protocol/utf8.hpp"

#include <rapidjson/document.h>

namespace walcast {

namespace {

/// Rewrites the inside of one irregular string.
void append_regular(std::string &into, std::string_view token) {
    while (!token.empty()) {
        if (token.starts_with("\\u")) {
            const auto unit = hex4(token.substr(2)).value_or(0);
            const bool pair = high_surrogate(unit) && low_escape_follows(token.substr(6));
            if (!pair && (high_surrogate(unit) || low_surrogate(unit)))
                into.append(replacement_character);
            else
                into.append(token, 0, pair ? 12 : 6);
            token.remove_prefix(pair ? 12 : 6);
        } else if (token.front() == '\\') {
            into.append(token, 0, 2);
            token.remove_prefix(2);
        } else if (const auto length = utf8_length(token); length != 0) {
            into.append(token, 0, length);
            token.remove_prefix(length);
        } else {
            into.append(replacement_character);
            token.remove_prefix(1);
        }
    }
}

} // namespace

std::string regular_json(std::string_view text) {
    std::string made;
    made.reserve(text.size() + 64);
    json_scanner scanner(text);
    std::size_t copied = 0;
    for (auto token = scanner.next(); token != json_token::end && token != json_token::error;
         token = scanner.next()) {
        if (!scanner.irregular())
            continue;
        made.append(text, copied, scanner.begin() - copied);
        copied = scanner.end();
        const auto bytes = scanner.token();
        if (token == json_token::number)
            made.append("\"").append(bytes).append("\"");
        else
            append_regular(made, bytes);
    }
    return made.append(text, copied);
}

std::string decode_json_string(std::string_view token) {
    rapidjson::Document document;
    document.Parse(token.data(), token.size());
    return document.IsString() ? std::string(document.GetString(), document.GetStringLength())
                               : std::string();
}

bool json_string_is(std::string_view token, std::string_view text) {
    const auto inside = token.substr(1, token.size() - 2);
    if (inside.size() == text.size())
        return inside == text;
    if (inside.size() < text.size() || inside.size() > text.size() * 6 || inside.find('\\') == inside.npos)
        return false;
    return decode_json_string(token) == text;
}

} // namespace walcast
