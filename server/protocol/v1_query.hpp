#pragma once

#include "server/protocol/v1_encode.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace walcast {

/// Why a request over HTTP cannot be understood. `why` never repeats a token.
struct v1_query_problem {
    v1_error code;
    std::string why;
};

/// `GET
/// /arvados/v1/events/stream?topic=record/zzzzz-…&topic=events&select=["state"]&filters=[…]&snapshot=false&
/// latest=true&after=…`, as the messages that a client on a WebSocket would send.
struct v1_stream_query {
    std::vector<std::string>
        topics;          ///< 1 to stream_place::most_topics, each once; also the subscriptions' ids
    std::string options; ///< members of each subscribe
    std::optional<std::string> after; ///< the id of an event, or a resume token

    /// The subscribe of one of them. `token`: empty if it begins anew.
    [[nodiscard]] std::string subscribe(std::size_t topic, std::string_view token) const;
    /// The same for the same topics and options, whatever `after` is.
    [[nodiscard]] std::uint64_t hash() const;
};

/// `GET /arvados/v1/latest/zzzzz-…?select=["state"]&wait=30&after=…`
struct v1_latest_query {
    std::string uuid; ///< any text of 1 to 64 bytes
    std::string options;
    std::optional<std::string> after; ///< a resume token
    std::uint32_t wait_s = 0;

    [[nodiscard]] std::string subscribe(std::string_view id, std::string_view token) const;
};

/// Read the target of a request. Parameters that are not known are ignored; of those that may be there once
/// the last counts; an empty one is as good as none. `select` and `filters` are JSON, `select` may also be
/// names with commas between them. Time and memory are linear in the length, whatever the bytes.
[[nodiscard]] std::variant<v1_stream_query, v1_query_problem> parse_stream_query(std::string_view target);
[[nodiscard]] std::variant<v1_latest_query, v1_query_problem> parse_latest_query(std::string_view target);

/// What the path of the latter begins with; the uuid follows.
constexpr std::string_view latest_path = "/arvados/v1/latest/";

} // namespace walcast
