#pragma once

#include "server/watch/watch_options.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace walcast {

/// `14:03:07`, with the date before it if that is not today's. Microseconds since 1970 UTC.
[[nodiscard]] std::string time_text(std::int64_t unix_us, watch_clock clock, std::int64_t now_us);
/// The same of a time as messages have it; `--:--:--` if it is none.
[[nodiscard]] std::string time_text(std::string_view rfc3339, watch_clock clock, std::int64_t now_us);

} // namespace walcast
