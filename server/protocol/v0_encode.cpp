#include "server/protocol/v0_encode.hpp"

#include "server/protocol/json_time.hpp"
#include "server/protocol/object_kind.hpp"
#include "server/protocol/properties.hpp"
#include "server/protocol/utf8.hpp"

#include <charconv>
#include <cstring>

namespace walcast {

namespace {

/// What properties may be cut down to at most; reduce_properties asks for as much.
constexpr std::size_t least_properties = 1024;

void append_number(std::string &into, std::int64_t number) {
    char text[24];
    const auto end = std::to_chars(text, text + sizeof text, number).ptr;
    into.append(text, static_cast<std::size_t>(end - text));
}

} // namespace

std::size_t write_msg_id_prefix(char *into, std::uint64_t msg_id) {
    constexpr std::string_view key = R"({"msgID":)";
    std::memcpy(into, key.data(), key.size());
    char *at = std::to_chars(into + key.size(), into + v0_prefix_max - 1, msg_id).ptr;
    *at++ = ',';
    return static_cast<std::size_t>(at - into);
}

v0_outcome encode_v0_event(const event &what, std::size_t max_bytes, std::string &into) {
    const auto start = into.size();
    into.append(R"("event_at":)");
    append_json_time(into, what.event_at);
    into.append(R"(,"event_type":)");
    append_json_string(into, what.event_type);
    into.append(R"(,"id":)");
    append_number(into, to_number(what.id));
    into.append(R"(,"object_kind":")").append(object_kind(what.object_uuid));
    into.append(R"(","object_owner_uuid":)");
    append_json_string(into, what.object_owner_uuid);
    into.append(R"(,"object_uuid":)");
    append_json_string(into, what.object_uuid);
    into.append(R"(,"properties":)");
    const auto properties_at = into.size();
    into.append(R"(,"uuid":)");
    append_json_string(into, what.uuid);
    into.push_back('}');

    // The room that is left for properties is known only when all else is written, so the end is moved behind
    // them.
    const auto taken = into.size() - start + v0_prefix_max;
    if (taken + least_properties > max_bytes) {
        into.resize(start);
        return v0_outcome::too_large;
    }
    const auto tail_length = into.size() - properties_at;
    const auto outcome = reduce_properties(what.properties, max_bytes - taken, into);
    if (outcome == properties_outcome::unreadable) {
        into.resize(start);
        return v0_outcome::unreadable;
    }
    into.append(into, properties_at, tail_length);
    into.erase(properties_at, tail_length);
    return outcome == properties_outcome::complete ? v0_outcome::complete : v0_outcome::truncated;
}

} // namespace walcast
