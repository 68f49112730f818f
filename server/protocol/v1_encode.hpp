#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace walcast {

/// Messages of protocol v1 (schema/v1.schema.json, docs/protocol-v1.md). Each is one JSON object in valid
/// UTF-8. Strings that come from a client (`id`) are escaped.

enum class v1_error : std::uint8_t {
    bad_request,
    unauthorized,
    not_found,
    unknown_topic,
    too_many_subscriptions,
    payload_too_large,
    not_allowed,
    unavailable,
};
[[nodiscard]] std::string_view to_string(v1_error code);

/// Why a subscription cannot go on where its token says.
enum class v1_reset : std::uint8_t { expired, epoch, timeline, ahead, schema, filter, auth, lagging };
[[nodiscard]] std::string_view to_string(v1_reset reason);

struct v1_limits {
    unsigned subscriptions;
    std::size_t frame_bytes;
    std::size_t sessions_per_user;    ///< 0: no limit
    std::size_t sessions_per_address; ///< likewise
};

/// `{"op":"hello","protocol":1,"server":"walcast/0.1.0","heartbeat_s":30,"limits":{"subscriptions":…,
/// "frame_bytes":…,"sessions_per_user":…,"sessions_per_address":…}}`
[[nodiscard]] std::string v1_hello(std::uint32_t heartbeat_s, const v1_limits &limits);
/// `{"op":"auth","user":"zzzzz-tpzed-…","expires_at":"…"}`; `expires_at` is null if it never does.
[[nodiscard]] std::string v1_authenticated(std::string_view user_uuid,
                                           std::optional<std::int64_t> expires_at_us);
/// `{"op":"error","id":"a","code":"not_found","message":"…"}`; without `id` if it is about none.
[[nodiscard]] std::string v1_failure(std::string_view id, v1_error code, std::string_view message);
[[nodiscard]] std::string v1_reset_message(std::string_view id, v1_reset reason);
/// `{"op":"silenced","id":"a","reason":"permission"}`
[[nodiscard]] std::string v1_silenced(std::string_view id, std::string_view reason);
[[nodiscard]] std::string v1_restored(std::string_view id);
/// `{"op":"end","id":"a","reason":"unsubscribed"}`
[[nodiscard]] std::string v1_end(std::string_view id, std::string_view reason);
/// `{"op":"ping","token":"…"}`. The token is good for every subscription of the session; empty: left out.
[[nodiscard]] std::string v1_ping(std::string_view token);
/// `{"op":"live","id":"a","token":"…"}`
[[nodiscard]] std::string v1_live(std::string_view id, std::string_view token);
/// `{"op":"goodbye","reason":"restart","retry_after_ms":n}`
[[nodiscard]] std::string v1_goodbye(std::string_view reason, std::uint32_t retry_after_ms);

/// The head of a message with a token, which differs for each receiver, before a body that all share:
///
///     {"op":"change","id":"a","token":"…",   "type":"update",…}
///     head                                   body
///
/// `op`: snapshot or change.
[[nodiscard]] std::string v1_head(std::string_view op, std::string_view id, std::string_view token);
/// The body of `snapshot`: `"record":…}`, `record_json` being an object or null.
[[nodiscard]] std::string v1_snapshot_body(std::string_view record_json);

} // namespace walcast
