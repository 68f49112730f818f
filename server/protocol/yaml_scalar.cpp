#include "server/protocol/yaml_scalar.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <fmt/format.h>
#include <optional>

namespace walcast {

namespace {

using kind = yaml_scalar::kind;

constexpr std::string_view nulls[] = {"", "~", "null", "Null", "NULL"};
constexpr std::string_view trues[] = {"y",    "Y",    "yes", "Yes", "YES", "true",
                                      "True", "TRUE", "on",  "On",  "ON"};
constexpr std::string_view falses[] = {"n",     "N",     "no",  "No",  "NO", "false",
                                       "False", "FALSE", "off", "Off", "OFF"};
constexpr std::string_view beyond_json[] = {".nan",  ".NaN",  ".NAN",  ".inf",  ".Inf",  ".INF",
                                            "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF"};

template <std::size_t N>
bool among(const std::string_view (&list)[N], std::string_view text) {
    return std::find(std::begin(list), std::end(list), text) != std::end(list);
}

/// A whole number as Go's strconv reads one with base 0: decimal, 0x, 0o, 0b, or octal with a leading zero.
std::optional<std::string> whole(std::string_view text) {
    const bool negative = text.starts_with('-');
    if (negative || text.starts_with('+'))
        text.remove_prefix(1);
    int base = 10;
    if (text.size() > 2 && text[0] == '0') {
        const char letter = static_cast<char>(text[1] | 0x20);
        base = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 10;
        if (base != 10)
            text.remove_prefix(2);
    }
    if (base == 10 && text.size() > 1 && text[0] == '0') {
        base = 8;
        text.remove_prefix(1);
    }
    std::uint64_t magnitude = 0;
    const auto *const last = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data(), last, magnitude, base);
    if (error != std::errc{} || end != last)
        return std::nullopt;
    if (negative && magnitude > std::uint64_t{1} << 63)
        return std::nullopt;
    return fmt::format("{}{}", negative && magnitude != 0 ? "-" : "", magnitude);
}

/// `[-+]? ( .9 | 9[.9*] ) [e[+-]9]`, within the range of a double.
std::optional<std::string> fractional(std::string_view text) {
    if (text.starts_with('+'))
        text.remove_prefix(1);
    const auto digits = text.substr(text.starts_with('-') ? 1 : 0);
    if (digits.empty() || digits.find_first_not_of("0123456789.eE+-") != digits.npos || digits[0] == '-' ||
        digits[0] == '+')
        return std::nullopt;
    double number = 0;
    const auto *const last = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data(), last, number);
    if (error != std::errc{} || end != last || !std::isfinite(number))
        return std::nullopt;
    return fmt::format("{}", number);
}

} // namespace

yaml_scalar resolve_yaml_scalar(std::string_view plain) {
    if (among(nulls, plain))
        return {kind::null, "null"};
    if (among(trues, plain))
        return {kind::boolean, "true"};
    if (among(falses, plain))
        return {kind::boolean, "false"};
    if (among(beyond_json, plain))
        return {kind::not_json, {}};
    const char first = plain[0];
    if (!(first >= '0' && first <= '9') && first != '-' && first != '+' && first != '.')
        return {kind::string, {}};
    std::string without_marks(plain);
    std::erase(without_marks, '_');
    if (auto number = first == '.' ? std::nullopt : whole(without_marks))
        return {kind::number, std::move(*number)};
    if (auto number = fractional(first == '.' ? plain : std::string_view(without_marks)))
        return {kind::number, std::move(*number)};
    return {kind::string, {}};
}

} // namespace walcast
