#pragma once

#include <cstdint>

namespace walcast {

/// Whether so much time has passed between two readings of the wall clock. It has if the clock was set back
/// in between: what is done now and then is done once too often, rather than not for as long as it went back.
[[nodiscard]] constexpr bool has_elapsed(std::int64_t since_us, std::int64_t now_us, std::int64_t span_us) {
    return now_us < since_us || now_us - since_us >= span_us;
}

} // namespace walcast
