#pragma once

#include "server/protocol/event.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace walcast {

/// A v0 event frame is a prefix of the session and a body that all sessions share:
///
///     {"msgID":7,  "event_at":"2026-01-02T03:04:05.5Z","event_type":"update","id":…,…,"uuid":"…"}
///     prefix       body
///
/// The body has the keys event_at, event_type, id, object_kind, object_owner_uuid, object_uuid, properties,
/// uuid.

inline constexpr std::string_view v0_ok = R"({"status":200})";
inline constexpr std::string_view v0_bad = R"({"status":400})";
inline constexpr std::string_view v0_idle = "{}";

/// The longest prefix: `{"msgID":18446744073709551615,`.
inline constexpr std::size_t v0_prefix_max = 30;

/// Writes `{"msgID":N,` to `into`, which has room for v0_prefix_max bytes; returns how many were written.
std::size_t write_msg_id_prefix(char *into, std::uint64_t msg_id);

enum class v0_outcome : std::uint8_t {
    complete,
    truncated,  ///< properties were too large and are cut, with `"truncated":true` in them; the event is sent
    unreadable, ///< properties are no object: the event is not sent
    too_large,  ///< does not fit even without properties: the event is not sent
};

/// Appends the body of an event to `into`, which the caller may reuse. The whole frame, with the longest
/// prefix, is never longer than `max_bytes`, of which the protocol wants at least 16 KiB. Nothing is appended
/// on `unreadable` and `too_large`.
///
/// The body is valid JSON in valid UTF-8 whatever the row holds: bytes that are not UTF-8 become U+FFFD.
[[nodiscard]] v0_outcome encode_v0_event(const event &what, std::size_t max_bytes, std::string &into);

} // namespace walcast
