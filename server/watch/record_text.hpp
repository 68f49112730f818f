#pragma once

#include "server/watch/event_line.hpp"

#include <rapidjson/document.h>
#include <string>
#include <string_view>

namespace walcast {

/// Messages of protocol v1 about records, for people. A line with the time and the topic, then a line for
/// each column, or for each place in it that has changed:
///
///     14:03:07 state    record/zzzzz-xvhdp-…
///         uuid                     "zzzzz-xvhdp-…"
///         mounts./out.capacity     1000
///     14:03:09 update   record/zzzzz-xvhdp-…
///         state                    "Committed" → "Final"
///       + properties.note          "looked at"
///         description              3 lines of 120:
///           @ 14
///           - as it was
///           + as it is
///         mounts                   unchanged, and too large to be in the log
///
/// As with event_line, nothing in a message controls the terminal, and nothing is shown at any length. Each
/// line ends with a line break.

/// A snapshot. `record` is an object, or null.
[[nodiscard]] std::string state_text(std::string_view topic, const rapidjson::Value &record,
                                     const line_style &style);

/// A change, of which `message` is the whole. `known` is the record before, as far as it has been seen; an
/// object or null.
[[nodiscard]] std::string change_text(std::string_view topic, const rapidjson::Value &message,
                                      const rapidjson::Value &known, const line_style &style);

/// A change of `grants/`: what may be read now, and what may not any more.
[[nodiscard]] std::string grants_text(std::string_view topic, const rapidjson::Value &message,
                                      const line_style &style);

/// `reset`, `silenced` and `restored`, with what the reason means.
[[nodiscard]] std::string incident_text(std::string_view topic, std::string_view op, std::string_view reason,
                                        const line_style &style);

} // namespace walcast
