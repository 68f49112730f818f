// Events as clients get them, whatever a row of `logs` holds. The records are the row's columns.

#include "server/protocol/properties.hpp"

#include "server/protocol/utf8.hpp"
#include "server/protocol/v0_encode.hpp"
#include "tests/fuzz/records.hpp"
#include "tests/fuzz/require.hpp"
#include "tests/unit/protocol/support.hpp"

#include <string>

using namespace walcast;
using fuzz::require;

namespace {

std::int64_t number_of(std::string_view bytes) {
    std::int64_t number = 0;
    bytes.copy(reinterpret_cast<char *>(&number), sizeof number);
    return number;
}

/// The text as a client reads it.
std::string readable(std::string_view text) {
    std::string made;
    while (!text.empty()) {
        const auto length = utf8_length(text);
        made.append(length == 0 ? replacement_character : text.substr(0, length));
        text.remove_prefix(length == 0 ? 1 : length);
    }
    return made;
}

void check_properties(std::string_view text, std::size_t most) {
    std::string made = "before";
    const auto outcome = reduce_properties(text, most, made);
    if (outcome == properties_outcome::unreadable)
        return require(made == "before", "nothing is appended of what is unreadable");
    require(made.starts_with("before"), "it is appended");
    made.erase(0, 6);
    require(made.size() <= most, "it is no longer than it may be");
    rapidjson::Document read;
    require(test::valid_json(made, read) && read.IsObject(), "it is a JSON object");
    if (outcome == properties_outcome::truncated)
        return require(read.HasMember("truncated"), "what was cut says so");
    std::string again;
    require(reduce_properties(made, most, again) == properties_outcome::complete && again == made,
            "what was reduced is reduced no further");
}

void check_event(const event &of, std::size_t most) {
    std::string body = "before";
    const auto outcome = encode_v0_event(of, most, body);
    if (outcome == v0_outcome::unreadable || outcome == v0_outcome::too_large)
        return require(body == "before", "nothing is appended of what is not sent");
    char prefix[v0_prefix_max];
    const auto prefix_size = write_msg_id_prefix(prefix, static_cast<std::uint64_t>(to_number(of.id)));
    const auto frame = std::string(prefix, prefix_size) + body.substr(6);
    require(frame.size() <= most, "a frame is no longer than it may be");
    rapidjson::Document read;
    require(test::valid_json(frame, read) && read.IsObject(), "a frame is a JSON object");
    const auto is = [&](const char *key, std::string_view text) {
        return std::string_view(read[key].GetString(), read[key].GetStringLength()) == readable(text);
    };
    require(is("uuid", of.uuid) && is("object_uuid", of.object_uuid) && is("event_type", of.event_type) &&
                is("object_owner_uuid", of.object_owner_uuid),
            "the columns are sent as they are");
    require(read["id"].GetInt64() == to_number(of.id), "so is the id");
    const auto at = std::string_view(read["event_at"].GetString());
    require(parse_timestamp(at.substr(0, at.size() - 1)) == of.event_at, "and the time");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    const auto records = fuzz::split_records(fuzz::as_text(data, size));
    const auto numbers = fuzz::record_at(records, 0);
    const auto properties = fuzz::record_at(records, 1);
    if (fuzz::may_be_zero_with_an_exponent(properties))
        return 0;
    const auto room = number_of(numbers.substr(0, std::min<std::size_t>(2, numbers.size())));
    check_properties(properties, 1024 + static_cast<std::size_t>(room) % 4096);

    constexpr std::int64_t first_year = -62'167'219'200'000'000, microseconds = 315'569'520'000'000'000;
    event of;
    of.properties = properties;
    of.uuid = fuzz::record_at(records, 2);
    of.object_uuid = fuzz::record_at(records, 3);
    of.object_owner_uuid = fuzz::record_at(records, 4);
    of.event_type = fuzz::record_at(records, 5);
    of.id = log_id{number_of(numbers.substr(std::min<std::size_t>(2, numbers.size())))};
    of.event_at = first_year + static_cast<std::int64_t>(
                                   static_cast<std::uint64_t>(number_of(fuzz::record_at(records, 6))) %
                                   static_cast<std::uint64_t>(microseconds));
    check_event(of, 16'384 + static_cast<std::size_t>(room));
    return 0;
}
