#include "server/feed/value.hpp"

#include "server/feed/relation.hpp"

#include <charconv>
#include <limits>

namespace walcast {

namespace {

/// A big-endian two's complement integer of 2, 4 or 8 bytes: every integer on PostgreSQL's wire.
std::optional<std::int64_t> big_endian(std::string_view bytes) {
    if (bytes.size() != 2 && bytes.size() != 4 && bytes.size() != 8)
        return std::nullopt;
    std::uint64_t number = static_cast<signed char>(bytes[0]) < 0 ? ~std::uint64_t{0} : 0;
    for (const char byte : bytes)
        number = number << 8 | static_cast<unsigned char>(byte);
    return static_cast<std::int64_t>(number);
}

/// Reads digits of a fixed width from the front of `text`.
std::optional<int> take_digits(std::string_view &text, std::size_t width) {
    if (text.size() < width)
        return std::nullopt;
    int number = 0;
    for (const char digit : text.substr(0, width)) {
        if (digit < '0' || digit > '9')
            return std::nullopt;
        number = number * 10 + (digit - '0');
    }
    text.remove_prefix(width);
    return number;
}

bool take(std::string_view &text, char expected) {
    if (text.empty() || text.front() != expected)
        return false;
    text.remove_prefix(1);
    return true;
}

/// Days from 1970-01-01 of a date in the proleptic Gregorian calendar.
std::int64_t days_from_civil(std::int64_t year, int month, int day) {
    year -= month <= 2;
    const std::int64_t era = (year >= 0 ? year : year - 399) / 400;
    const std::int64_t year_of_era = year - era * 400;
    const std::int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    const std::int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146'097 + day_of_era - 719'468;
}

int days_in_month(int year, int month) {
    constexpr int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

/// `Z`, `+hh`, `+hhmm` or `+hh:mm` at the end of a time; seconds east of UTC, zero when the text is over.
std::optional<int> take_offset(std::string_view &text) {
    if (text.empty() || take(text, 'Z') || take(text, 'z'))
        return 0;
    const bool west = text.front() == '-';
    if (!west && text.front() != '+')
        return std::nullopt;
    text.remove_prefix(1);
    const auto hours = take_digits(text, 2);
    if (!hours || *hours > 23)
        return std::nullopt;
    int minutes = 0;
    if (!text.empty()) {
        (void)take(text, ':');
        const auto given = take_digits(text, 2);
        if (!given || *given > 59)
            return std::nullopt;
        minutes = *given;
    }
    const int seconds = *hours * 3600 + minutes * 60;
    return west ? -seconds : seconds;
}

/// `.678901`, more digits than six are cut off as PostgreSQL cannot hold them; microseconds.
std::optional<std::int64_t> take_fraction(std::string_view &text) {
    if (!take(text, '.') && !take(text, ','))
        return 0;
    std::int64_t micros = 0, scale = 100'000;
    std::size_t digits = 0;
    for (; digits < text.size() && text[digits] >= '0' && text[digits] <= '9'; ++digits, scale /= 10)
        micros += (text[digits] - '0') * scale;
    if (digits == 0)
        return std::nullopt;
    text.remove_prefix(digits);
    return micros;
}

} // namespace

std::optional<std::int64_t> to_integer(const value &of, std::uint32_t type) {
    if (of.kind == value_kind::binary) {
        if (type == pg_type::text || type == pg_type::varchar)
            return to_integer({value_kind::text, of.bytes}, type);
        const std::size_t width = type == pg_type::int2   ? 2
                                  : type == pg_type::int4 ? 4
                                  : type == pg_type::int8 ? 8
                                                          : 0;
        return width != 0 && of.bytes.size() == width ? big_endian(of.bytes) : std::nullopt;
    }
    if (of.kind != value_kind::text)
        return std::nullopt;
    std::int64_t number = 0;
    const auto *const last = of.bytes.data() + of.bytes.size();
    const auto [end, error] = std::from_chars(of.bytes.data(), last, number);
    if (error != std::errc{} || end != last)
        return std::nullopt;
    return number;
}

std::optional<bool> to_boolean(const value &of) {
    if (!of.present() || of.bytes.size() != 1)
        return std::nullopt;
    if (of.kind == value_kind::binary)
        return of.bytes[0] != 0;
    return of.bytes[0] == 't';
}

std::optional<std::string_view> to_text(const value &of, std::uint32_t type) {
    if (!of.present())
        return std::nullopt;
    if (of.kind == value_kind::binary && type == pg_type::jsonb) {
        if (of.bytes.empty() || of.bytes[0] != 1)
            return std::nullopt;
        return of.bytes.substr(1);
    }
    if (of.kind == value_kind::binary && type != pg_type::text && type != pg_type::varchar &&
        type != pg_type::json)
        return std::nullopt;
    return of.bytes;
}

std::optional<std::int64_t> to_unix_microseconds(const value &of, std::uint32_t type) {
    const bool words = type == pg_type::text || type == pg_type::varchar; // their binary form is the text
    if (of.kind == value_kind::text || (of.kind == value_kind::binary && words))
        return parse_timestamp(of.bytes);
    if (of.kind != value_kind::binary || of.bytes.size() != 8 ||
        (type != pg_type::timestamp && type != pg_type::timestamptz))
        return std::nullopt;
    const auto since_2000 = *big_endian(of.bytes);
    if (since_2000 == std::numeric_limits<std::int64_t>::max() ||
        since_2000 == std::numeric_limits<std::int64_t>::min())
        return std::nullopt; // infinity, -infinity
    // PostgreSQL's last days, in the year 294276, are beyond what can be counted from 1970.
    if (since_2000 > std::numeric_limits<std::int64_t>::max() - postgres_epoch_unix_us)
        return std::nullopt;
    return since_2000 + postgres_epoch_unix_us;
}

std::optional<std::int64_t> parse_timestamp(std::string_view text) {
    std::size_t year_width = 0;
    while (year_width < text.size() && text[year_width] >= '0' && text[year_width] <= '9')
        ++year_width;
    if (year_width < 4 || year_width > 6)
        return std::nullopt;
    const auto year = take_digits(text, year_width);
    if (!take(text, '-'))
        return std::nullopt;
    const auto month = take_digits(text, 2);
    if (!month || *month < 1 || *month > 12 || !take(text, '-'))
        return std::nullopt;
    const auto day = take_digits(text, 2);
    if (!day || *day < 1 || *day > days_in_month(*year, *month))
        return std::nullopt;
    std::int64_t seconds = days_from_civil(*year, *month, *day) * 86'400;
    std::int64_t micros = 0;
    if (!text.empty()) {
        if (!take(text, ' ') && !take(text, 'T') && !take(text, 't'))
            return std::nullopt;
        const auto hour = take_digits(text, 2);
        if (!hour || *hour > 24 || !take(text, ':'))
            return std::nullopt;
        const auto minute = take_digits(text, 2);
        if (!minute || *minute > 59)
            return std::nullopt;
        int second = 0;
        if (take(text, ':')) {
            const auto given = take_digits(text, 2);
            if (!given || *given > 60)
                return std::nullopt;
            second = *given;
        }
        const auto fraction = take_fraction(text);
        const auto offset = take_offset(text);
        if (!fraction || !offset || !text.empty())
            return std::nullopt;
        seconds += *hour * 3600 + *minute * 60 + second - *offset;
        micros = *fraction;
    }
    constexpr std::int64_t per_second = 1'000'000;
    if (seconds >= std::numeric_limits<std::int64_t>::max() / per_second)
        return std::nullopt;
    return seconds * per_second + micros;
}

} // namespace walcast
