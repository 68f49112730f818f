#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace walcast {

// How a configuration writes times and sizes. Each pair is inverse: what `to_*` writes, `parse_*` reads as
// the same.

/// `60s`, `1m30s`, `1.5h`, `500ms`, `0`: the syntax of Go's time.ParseDuration, rounded to milliseconds.
/// Nothing if it is not one, or longer than 100 years.
[[nodiscard]] std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);
[[nodiscard]] std::string to_duration_text(std::chrono::milliseconds duration);

/// `128MiB`, `1M`, `64 KB`, `4096`: as Arvados reads sizes; K is 1000 and Ki is 1024. Nothing if it is not
/// one, or does not fit.
[[nodiscard]] std::optional<std::size_t> parse_byte_size(std::string_view text);
[[nodiscard]] std::string to_byte_size_text(std::size_t bytes);

/// The one of `names` that `name` was probably meant to be, or empty if none is close.
[[nodiscard]] std::string_view closest_name(std::string_view name,
                                            const std::vector<std::string_view> &names);

/// Whether both are the same but for upper and lower case of ASCII letters.
[[nodiscard]] bool equal_but_for_case(std::string_view a, std::string_view b);

} // namespace walcast
