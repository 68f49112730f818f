#include "server/watch/watch_time.hpp"

#include "server/feed/value.hpp"

#include <ctime>
#include <fmt/chrono.h>
#include <fmt/format.h>

namespace walcast {

namespace {

std::tm calendar(std::int64_t unix_us, watch_clock clock) {
    const auto seconds = static_cast<std::time_t>(unix_us / 1'000'000 - (unix_us % 1'000'000 < 0 ? 1 : 0));
    std::tm made{};
    if (clock == watch_clock::utc)
        ::gmtime_r(&seconds, &made);
    else
        ::localtime_r(&seconds, &made);
    return made;
}

} // namespace

std::string time_text(std::int64_t unix_us, watch_clock clock, std::int64_t now_us) {
    const auto then = calendar(unix_us, clock);
    const auto now = calendar(now_us, clock);
    const bool today = then.tm_yday == now.tm_yday && then.tm_year == now.tm_year;
    return today ? fmt::format("{:%H:%M:%S}", then) : fmt::format("{:%Y-%m-%d %H:%M:%S}", then);
}

std::string time_text(std::string_view rfc3339, watch_clock clock, std::int64_t now_us) {
    const auto unix_us = parse_timestamp(rfc3339);
    return unix_us ? time_text(*unix_us, clock, now_us) : "--:--:--";
}

} // namespace walcast
