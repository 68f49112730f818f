#pragma once

#include "server/watch/watch_options.hpp"

#include <cstdint>
#include <rapidjson/document.h>
#include <string>

namespace walcast {

enum class line_color : std::uint8_t { off, on };

/// How event_line writes.
struct line_style {
    line_color color = line_color::off;
    watch_clock clock = watch_clock::local;
    std::int64_t now_us = 0; ///< microseconds since 1970 UTC: events of another day show their date
};

/// One v0 event as one line for people, without a line break:
///
///     14:03:07 update   container          zzzzz-dz642-…  state "Queued" → "Running"  owner zzzzz-tpzed-…
///     time     type     kind               object         what changed                owner after the change
///
/// Whatever is missing or of another type is left out. Nothing an event contains controls the terminal (see
/// safe_text), and nothing it contains is shown at any length.
[[nodiscard]] std::string event_line(const rapidjson::Value &event, const line_style &style);

} // namespace walcast
