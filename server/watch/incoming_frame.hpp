#pragma once

#include <cstdint>
#include <optional>
#include <rapidjson/document.h>
#include <string_view>

namespace walcast {

enum class frame_kind : std::uint8_t {
    event,    ///< has an id, a type or an object
    accepted, ///< `{"status":200}`
    refused,  ///< any other status; older servers add a message
    idle,     ///< `{}`
    unknown,  ///< anything else, not JSON included
};

/// One v0 message of the server, read as leniently as its clients always have.
struct incoming_frame {
    frame_kind kind = frame_kind::unknown;
    std::optional<std::int64_t> id; ///< of an event: what a later subscribe goes on after
    std::int64_t status = 0;        ///< of a reply
    rapidjson::Document content;    ///< an object unless the kind is unknown
};

/// A JSON object; null when the text is anything else, or nested deeper than any server's messages are.
[[nodiscard]] rapidjson::Document parse_object(std::string_view text);

[[nodiscard]] incoming_frame parse_frame(std::string_view text);

/// The member as text; empty when it is missing or something else.
[[nodiscard]] std::string_view text_member(const rapidjson::Value &object, const char *name);

} // namespace walcast
