#include "server/protocol/query.hpp"

#include <algorithm>

namespace walcast {

namespace {

int hex_digit(char digit) {
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    const char lower = static_cast<char>(digit | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/// Calls with the name and the value of each, as they are written, until one returns false.
template <class Function>
void each_parameter(std::string_view target, Function &&act) {
    const auto question = target.find('?');
    auto query = question == target.npos ? std::string_view() : target.substr(question + 1);
    query = query.substr(0, query.find('#'));
    while (!query.empty()) {
        const auto pair = query.substr(0, query.find('&'));
        query.remove_prefix(std::min(query.size(), pair.size() + 1));
        const auto equals = pair.find('=');
        if (!act(pair.substr(0, equals), equals == pair.npos ? std::string_view() : pair.substr(equals + 1)))
            return;
    }
}

} // namespace

std::string percent_decode(std::string_view text) {
    std::string decoded;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text[at] == '+') {
            decoded += ' ';
        } else if (text[at] == '%' && at + 2 < text.size() && hex_digit(text[at + 1]) >= 0 &&
                   hex_digit(text[at + 2]) >= 0) {
            decoded += static_cast<char>(hex_digit(text[at + 1]) << 4 | hex_digit(text[at + 2]));
            at += 2;
        } else {
            decoded += text[at];
        }
    }
    return decoded;
}

std::vector<std::pair<std::string, std::string>> query_parameters(std::string_view target) {
    std::vector<std::pair<std::string, std::string>> found;
    each_parameter(target, [&](std::string_view name, std::string_view value) {
        if (!name.empty())
            found.emplace_back(percent_decode(name), percent_decode(value));
        return true;
    });
    return found;
}

std::optional<std::string> query_parameter(std::string_view target, std::string_view name) {
    std::optional<std::string> found;
    each_parameter(target, [&](std::string_view written, std::string_view value) {
        if (percent_decode(written) == name)
            found = percent_decode(value);
        return !found;
    });
    return found;
}

std::string_view path_of(std::string_view target) {
    return target.substr(0, target.find_first_of("?#"));
}

} // namespace walcast
