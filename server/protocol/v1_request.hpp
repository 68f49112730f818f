#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace walcast {

/// `{"op":"auth","token":"v2/…"}`
struct v1_auth {
    std::string token;
};

/// `{"op":"subscribe","id":"a","topic":"record/zzzzz-…","snapshot":true,"after":"…","select":["state"],
/// "filters":[["event_type","=","update"]],"latest":false}`
struct v1_subscribe {
    static constexpr std::size_t max_id_bytes = 64;
    static constexpr std::size_t max_topic_bytes = 1024;
    static constexpr std::size_t max_columns = 200;

    std::string id;                                 ///< 1 to 64 bytes
    std::string topic;                              ///< 1 to 1024 bytes
    bool snapshot = true;                           ///< absent: true
    std::optional<std::string> after;               ///< absent and null: no resume
    std::optional<std::vector<std::string>> select; ///< absent and null: all columns; else 1 to 200 names
    std::string filters = "null";                   ///< as JSON text, to be compiled by event_filter
    bool latest = false;
};

struct v1_unsubscribe {
    std::string id;
};

/// A `pong`, an empty message: nothing to do.
struct v1_nothing {};

/// What cannot be understood. The connection lives.
struct v1_bad_request {
    std::string id;  ///< of the subscription it is about, if that much can be read; may be empty
    std::string why; ///< for people: names the key and what it should be; never repeats a token
};

using v1_request = std::variant<v1_auth, v1_subscribe, v1_unsubscribe, v1_nothing, v1_bad_request>;

/// Reads one client message, from a text or a binary frame. Keys that the op does not know are ignored, with
/// whatever is in them; of equal keys the last counts; keys are matched with case; null is as good as absent.
/// A key of the op's with a value of another type, or with half a surrogate pair or bytes that are no UTF-8
/// in it, is a bad request. Time and memory are linear in the length, whatever the bytes; depth costs no
/// stack here, and event_filter limits it for `filters`.
[[nodiscard]] v1_request parse_v1_request(std::string_view message);

/// What a client says to subscribe: `options` are the other members, each with a comma before it; `after` is
/// left out if it is empty.
[[nodiscard]] std::string v1_subscribe_text(std::string_view id, std::string_view topic,
                                            std::string_view options, std::string_view after);

} // namespace walcast
