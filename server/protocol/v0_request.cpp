#include "server/protocol/v0_request.hpp"

#include "server/protocol/json_scanner.hpp"
#include "server/protocol/json_text.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace walcast {

namespace {

enum class request_key : std::uint8_t { method, filters, last_log_id, other };

request_key key_of(std::string_view token) {
    constexpr std::size_t longest = sizeof("last_log_id") - 1;
    if (token.size() > 2 + longest * 6)
        return request_key::other;
    auto name = decode_json_string(token);
    std::transform(name.begin(), name.end(), name.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return name == "method"        ? request_key::method
           : name == "filters"     ? request_key::filters
           : name == "last_log_id" ? request_key::last_log_id
                                   : request_key::other;
}

/// Where the interesting values stand in one message.
struct outline {
    std::string_view method;
    std::string_view filters = "null";
    std::optional<log_id> last_log_id;
    bool irregular = false;
};

/// A whole number as Go reads one into an int64: no fraction, no exponent.
std::optional<std::int64_t> whole_number(std::string_view token) {
    std::int64_t number = 0;
    const auto *const last = token.data() + token.size();
    const auto [end, error] = std::from_chars(token.data(), last, number);
    return error == std::errc{} && end == last ? std::optional(number) : std::nullopt;
}

/// Takes in the value of one known key; false when it is of another type.
bool take_value(outline &into, request_key key, json_token kind, std::string_view bytes) {
    switch (key) {
    case request_key::method:
        if (kind == json_token::string)
            into.method = bytes;
        return kind == json_token::string || kind == json_token::null;
    case request_key::filters:
        into.filters = bytes;
        return kind == json_token::array_begin || kind == json_token::null;
    case request_key::last_log_id: {
        into.last_log_id.reset();
        if (kind == json_token::null)
            return true;
        const auto number = kind == json_token::number ? whole_number(bytes) : std::nullopt;
        if (number && *number != 0)
            into.last_log_id = log_id{*number};
        return number.has_value();
    }
    case request_key::other:
        break;
    }
    return true;
}

std::optional<outline> read_outline(std::string_view message) {
    json_scanner scanner(message);
    if (scanner.next() != json_token::object_begin)
        return std::nullopt;
    outline made;
    bool types_right = true;
    std::size_t deepest = 0;
    for (;;) {
        const auto token = scanner.next();
        if (token == json_token::object_end)
            break;
        if (token != json_token::key)
            return std::nullopt;
        made.irregular |= scanner.irregular();
        const auto key = key_of(scanner.token());
        const auto kind = scanner.next();
        const auto begin = scanner.begin();
        if (!scanner.skip(kind, deepest))
            return std::nullopt;
        made.irregular |= scanner.irregular() && kind != json_token::number;
        types_right &= take_value(made, key, kind, message.substr(begin, scanner.end() - begin));
    }
    if (scanner.next() != json_token::end || !types_right)
        return std::nullopt;
    return made;
}

} // namespace

v0_request parse_v0_request(std::string_view message) {
    if (message.empty())
        return v0_empty{};
    auto found = read_outline(message);
    if (!found)
        return v0_bad_request{};
    std::string mended;
    if (found->irregular) {
        mended = regular_json(message);
        found = read_outline(mended);
        if (!found)
            return v0_bad_request{};
    }
    if (found->method.empty())
        return v0_bad_request{};
    const bool subscribe = json_string_is(found->method, "subscribe");
    if (!subscribe && !json_string_is(found->method, "unsubscribe"))
        return v0_bad_request{};
    auto filter = event_filter::compile(found->filters);
    if (!filter)
        return v0_bad_request{};
    if (subscribe)
        return v0_subscribe{std::move(*filter), found->last_log_id};
    return v0_unsubscribe{std::string(filter->canonical())};
}

} // namespace walcast
