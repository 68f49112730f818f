#pragma once

#include <cstdint>
#include <string>

namespace walcast {

/// Appends a time as a JSON string, RFC 3339 in UTC: `"2026-01-02T03:04:05.678901Z"`, trailing zeros of the
/// fraction trimmed, as Go writes times. `unix_us`: microseconds since 1970, within the years 0 to 9999.
void append_json_time(std::string &into, std::int64_t unix_us);

/// Whether that can be done: RFC 3339 writes years with four digits.
[[nodiscard]] constexpr bool has_json_time(std::int64_t unix_us) {
    constexpr std::int64_t first = -62'167'219'200'000'000; // 0000-01-01T00:00:00Z
    constexpr std::int64_t last = 253'402'300'799'999'999;  // 9999-12-31T23:59:59.999999Z
    return unix_us >= first && unix_us <= last;
}

} // namespace walcast
