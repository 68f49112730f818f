#include "server/protocol/v1_outline.hpp"

#include <algorithm>
#include <cstddef>

namespace walcast {

namespace {

/// The JSON string that the text begins with, quotes and all; empty if it begins with none.
std::string_view leading_string(std::string_view text) {
    if (!text.starts_with('"'))
        return {};
    for (std::size_t at = 1; at < text.size(); ++at)
        if (text[at] == '\\')
            ++at;
        else if (text[at] == '"')
            return text.substr(0, at + 1);
    return {};
}

/// Takes `"key":"value"` from the front; empty, and takes nothing, if something else is there.
std::string_view take_member(std::string_view &from, std::string_view key) {
    if (!from.starts_with(key))
        return {};
    const auto value = leading_string(from.substr(key.size()));
    if (!value.empty())
        from.remove_prefix(key.size() + value.size());
    return value;
}

std::string_view without_quotes(std::string_view text) {
    return text.size() < 2 ? std::string_view() : text.substr(1, text.size() - 2);
}

} // namespace

v1_outline outline_of(std::string_view start) {
    v1_outline found;
    found.op = without_quotes(take_member(start, R"({"op":)"));
    found.id = take_member(start, R"(,"id":)");
    found.token = without_quotes(take_member(start, R"(,"token":)"));
    found.code = without_quotes(take_member(start, R"(,"code":)"));
    found.message = take_member(start, R"(,"message":)");
    return found;
}

} // namespace walcast
