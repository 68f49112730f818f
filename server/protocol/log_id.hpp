#pragma once

#include <cstdint>

namespace walcast {

/// `logs.id`: what NOTIFY carries and what clients send back as `last_log_id`. Ids come from a sequence, so
/// their order is *not* the order of commits; never sort events by them.
enum class log_id : std::int64_t {};

[[nodiscard]] constexpr std::int64_t to_number(log_id id) {
    return static_cast<std::int64_t>(id);
}

} // namespace walcast
