#pragma once

#include <chrono>
#include <cstdint>

namespace walcast {

/// The wall clock, in microseconds since 1970 UTC: the unit of all times that are compared with the
/// database's.
[[nodiscard]] inline std::int64_t unix_microseconds() {
    using namespace std::chrono;
    return duration_cast<microseconds>(system_clock::now().time_since_epoch()).count();
}

} // namespace walcast
