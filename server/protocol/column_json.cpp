#include "server/protocol/column_json.hpp"

#include "server/feed/relation.hpp"
#include "server/protocol/json_scanner.hpp"
#include "server/protocol/json_text.hpp"
#include "server/protocol/json_time.hpp"
#include "server/protocol/properties.hpp"
#include "server/protocol/utf8.hpp"
#include "server/protocol/yaml_json.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <optional>
#include <string_view>

namespace walcast {

namespace {

/// Python's parser, for one, gives up at 1,000 levels, and anybody may post a record.
constexpr std::size_t max_depth = 200;
constexpr std::size_t max_yaml_json = 8 * max_yaml_bytes;
/// Larger integers are not all different from each other in a double, which is what JavaScript reads.
constexpr std::int64_t exact_in_double = std::int64_t{1} << 53;

template <class Number, class... Format>
void append_number(std::string &into, Number number, Format... how) {
    char text[64];
    const auto end = std::to_chars(text, text + sizeof text, number, how...).ptr;
    into.append(text, static_cast<std::size_t>(end - text));
}

void append_integer(std::string &into, std::int64_t number) {
    const bool exact = number >= -exact_in_double && number <= exact_in_double;
    if (!exact)
        into.push_back('"');
    append_number(into, number);
    if (!exact)
        into.push_back('"');
}

/// A float of either form.
template <class Float, class Bits>
std::optional<Float> to_float(const value &of) {
    if (of.kind == value_kind::binary) {
        if (of.bytes.size() != sizeof(Bits))
            return std::nullopt;
        Bits bits = 0;
        for (const char byte : of.bytes)
            bits = bits << 8 | static_cast<unsigned char>(byte);
        return std::bit_cast<Float>(bits);
    }
    Float read = 0;
    const auto *const last = of.bytes.data() + of.bytes.size();
    const auto [end, error] = std::from_chars(of.bytes.data(), last, read);
    return error == std::errc{} && end == last ? std::optional(read) : std::nullopt;
}

template <class Float>
void append_float(std::string &into, std::optional<Float> number) {
    if (!number || !std::isfinite(*number)) {
        into.append("null");
        return;
    }
    const auto size = std::fabs(*number);
    const bool short_without_exponent = size == 0 || (size >= Float(1e-5) && size < Float(1e15));
    append_number(into, *number,
                  short_without_exponent ? std::chars_format::fixed : std::chars_format::scientific);
}

/// How a text reads as JSON.
enum class json_reading : std::uint8_t {
    good,
    irregular, ///< valid, with numbers or characters that readers stumble over
    too_deep,
    none,
};

json_reading read_json(std::string_view text) {
    json_scanner scanner(text);
    std::size_t deepest = 0;
    bool irregular = false;
    for (;;) {
        const auto token = scanner.next();
        if (token == json_token::error)
            return json_reading::none;
        if (token == json_token::end)
            break;
        irregular |= scanner.irregular();
        deepest = std::max(deepest, scanner.depth());
    }
    return deepest > max_depth ? json_reading::too_deep
           : irregular         ? json_reading::irregular
                               : json_reading::good;
}

/// Appends JSON as it is, on one line: a line feed can only be white space in it.
void append_line(std::string &into, std::string_view json) {
    const auto start = into.size();
    into.append(json);
    std::replace_if(
        into.begin() + static_cast<std::ptrdiff_t>(start), into.end(),
        [](char one) { return one == '\n' || one == '\r'; }, ' ');
}

/// False, and nothing is appended, if the text is not JSON that can be passed on.
bool append_json(std::string &into, std::string_view text, json_reading how) {
    if (how == json_reading::good)
        append_line(into, text);
    else if (how == json_reading::irregular)
        append_line(into, regular_json(text));
    else
        return false;
    return true;
}

void append_nested(std::string &into, std::string_view text, text_content content) {
    const auto how = read_json(text);
    if (append_json(into, text, how))
        return;
    if (content == text_content::serialized && how == json_reading::none && text.size() <= max_yaml_bytes)
        if (const auto json = yaml_to_json(text, max_yaml_json);
            json && append_json(into, *json, read_json(*json)))
            return;
    append_json_string(into, text);
}

/// What is a number in JSON too is one.
void append_decimal(std::string &into, std::string_view text) {
    json_scanner scanner(text);
    const bool number =
        scanner.next() == json_token::number && !scanner.irregular() && scanner.next() == json_token::end;
    if (number)
        into.append(text);
    else
        append_json_string(into, text);
}

void append_text(std::string &into, std::optional<std::string_view> text, bool nested, text_content content) {
    if (!text)
        into.append("null");
    else if (nested)
        append_nested(into, *text, content);
    else
        append_json_string(into, *text);
}

} // namespace

void append_column(std::string &into, const value &of, std::uint32_t type, text_content content) {
    if (!of.present()) {
        into.append("null");
        return;
    }
    switch (type) {
    case pg_type::boolean: {
        const auto read = to_boolean(of);
        into.append(!read ? "null" : *read ? "true" : "false");
        return;
    }
    case pg_type::int2:
    case pg_type::int4:
    case pg_type::int8:
        if (const auto read = to_integer(of, type))
            append_integer(into, *read);
        else
            into.append("null");
        return;
    case pg_type::float4:
        return append_float(into, to_float<float, std::uint32_t>(of));
    case pg_type::float8:
        return append_float(into, to_float<double, std::uint64_t>(of));
    case pg_type::timestamp:
    case pg_type::timestamptz:
        if (const auto read = to_unix_microseconds(of, type); read && has_json_time(*read))
            append_json_time(into, *read);
        else
            into.append("null");
        return;
    case pg_type::json:
    case pg_type::jsonb:
        return append_text(into, to_text(of, type), true, text_content::words);
    case pg_type::text:
    case pg_type::varchar:
        return append_text(into, to_text(of, type), content == text_content::serialized, content);
    case pg_type::numeric:
        if (const auto read = to_text(of, type))
            append_decimal(into, *read);
        else
            into.append("null");
        return;
    default: // the binary form of such a type is never asked for
        return append_text(into, to_text(of, type), false, text_content::words);
    }
}

} // namespace walcast
