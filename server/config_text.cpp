#include "server/config_text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <fmt/format.h>
#include <limits>
#include <numeric>
#include <utility>

namespace walcast {

namespace {

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

/// Levenshtein's distance, without regard to case.
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 0; i < a.size(); ++i) {
        auto diagonal = std::exchange(row[0], i + 1);
        for (std::size_t j = 0; j < b.size(); ++j) {
            const auto substituted = diagonal + (lower(a[i]) == lower(b[j]) ? 0 : 1);
            diagonal = std::exchange(row[j + 1], std::min({row[j] + 1, row[j + 1] + 1, substituted}));
        }
    }
    return row.back();
}

// In milliseconds; the longest name that matches wins, so "ms" stands before "m".
constexpr std::array<std::pair<std::string_view, double>, 8> time_units{{{"ns", 1e-6},
                                                                         {"us", 1e-3},
                                                                         {"\u00b5s", 1e-3},
                                                                         {"\u03bcs", 1e-3},
                                                                         {"ms", 1},
                                                                         {"s", 1e3},
                                                                         {"m", 6e4},
                                                                         {"h", 3.6e6}}};

constexpr double longest = 100.0 * 366 * 24 * 3.6e6;

constexpr std::string_view size_prefixes = "KMGTPE";

} // namespace

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
    using std::chrono::milliseconds;
    if (text == "0")
        return milliseconds{0};
    if (text.empty())
        return std::nullopt;
    double sum = 0;
    while (!text.empty()) {
        // from_chars would also take "1e3" and "inf", which Go does not.
        const auto digits = std::min(text.find_first_not_of("0123456789."), text.size());
        double number = 0;
        const auto [end, error] =
            std::from_chars(text.data(), text.data() + digits, number, std::chars_format::fixed);
        if (error != std::errc{} || end != text.data() + digits)
            return std::nullopt;
        text.remove_prefix(digits);
        const auto unit = std::find_if(time_units.begin(), time_units.end(),
                                       [&](const auto &u) { return text.starts_with(u.first); });
        if (unit == time_units.end())
            return std::nullopt;
        text.remove_prefix(unit->first.size());
        sum += number * unit->second;
        if (sum > longest)
            return std::nullopt;
    }
    return milliseconds{std::llround(sum)};
}

std::string to_duration_text(std::chrono::milliseconds duration) {
    auto rest = duration.count();
    std::string text;
    for (const auto &[unit, size] : {std::pair{"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}}) {
        if (rest >= size)
            text += fmt::format("{}{}", rest / size, unit);
        rest %= size;
    }
    return text.empty() ? "0s" : text;
}

std::optional<std::size_t> parse_byte_size(std::string_view text) {
    std::size_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{})
        return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    if (text.ends_with('B'))
        text.remove_suffix(1);
    if (text.empty())
        return number;
    const auto power = size_prefixes.find(text.front());
    text.remove_prefix(1);
    if (power == std::string_view::npos || (!text.empty() && text != "i"))
        return std::nullopt;
    const std::size_t base = text.empty() ? 1000 : 1024;
    for (std::size_t i = 0; i <= power; ++i) {
        if (number > std::numeric_limits<std::size_t>::max() / base)
            return std::nullopt;
        number *= base;
    }
    return number;
}

std::string to_byte_size_text(std::size_t bytes) {
    std::size_t power = 0;
    while (bytes != 0 && bytes % 1024 == 0 && power < size_prefixes.size()) {
        bytes /= 1024;
        ++power;
    }
    return power == 0 ? fmt::format("{}", bytes) : fmt::format("{}{}iB", bytes, size_prefixes[power - 1]);
}

std::string_view closest_name(std::string_view name, const std::vector<std::string_view> &names) {
    // A third of the letters may be wrong, and never a whole short name.
    std::string_view best;
    auto least = std::max<std::size_t>(name.size() / 3, 1) + 1;
    for (const auto candidate : names) {
        const auto d = distance(name, candidate);
        if (d < least && d < candidate.size()) {
            least = d;
            best = candidate;
        }
    }
    return best;
}

bool equal_but_for_case(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](char x, char y) { return lower(x) == lower(y); });
}

} // namespace walcast
