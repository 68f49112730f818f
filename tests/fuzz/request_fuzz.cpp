// Messages of v0 clients, and the filters in them against an event. The first record is the message, the
// others are columns of the event.

#include "server/protocol/v0_request.hpp"

#include "server/protocol/utf8.hpp"
#include "tests/fuzz/records.hpp"
#include "tests/fuzz/require.hpp"
#include "tests/unit/protocol/support.hpp"

#include <algorithm>

using namespace walcast;
using fuzz::require;

namespace {

bool among(std::span<const std::string> values, std::string_view text) {
    return std::find(values.begin(), values.end(), text) != values.end();
}

void check_filter(const event_filter &of, const event &what) {
    require(test::valid_json(of.canonical()), "the canonical form is JSON");
    const auto again = event_filter::compile(of.canonical());
    require(again.has_value(), "the canonical form is a filter");
    require(again->canonical() == of.canonical(), "and is its own canonical form");
    const bool matches = of.matches(what);
    require(again->matches(what) == matches, "and lets the same through");
    require(of.footprint() >= of.canonical().size(), "what it holds is counted");
    if (of.canonical() == "null" || of.canonical() == "[]")
        require(matches, "no condition lets everything through");
    if (!matches)
        return;
    require(!of.matches_nothing(), "a filter that matches nothing does not match");
    if (const auto types = of.required_event_types())
        require(among(*types, what.event_type), "what is required is there");
    if (const auto objects = of.required_object_uuids())
        require(among(*objects, what.object_uuid), "what is required is there");
}

/// One condition, of which it is known what it means.
void check_condition(std::string_view op, std::string_view operand, const event &what, bool expected) {
    std::string filter = R"([["event_type",")" + std::string(op) + "\",";
    filter += op == "in" || op == "not in" ? "[" : "";
    append_json_string(filter, operand);
    filter += op == "in" || op == "not in" ? "]]]" : "]]";
    const auto made = event_filter::compile(filter);
    require(made.has_value() && made->matches(what) == expected, "a condition means what it says");
}

/// The text of a request around a filter, as any JSON library would write it.
void check_around(const event_filter &of) {
    const auto canonical = std::string(of.canonical());
    const auto request = parse_v0_request(R"({"method":"unsubscribe","filters":)" + canonical + "}");
    const auto *const read = std::get_if<v0_unsubscribe>(&request);
    require(read != nullptr && read->canonical == canonical, "a subscription is found again by its filter");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    const auto records = fuzz::split_records(fuzz::as_text(data, size));
    const auto message = fuzz::record_at(records, 0);
    event what;
    what.event_type = fuzz::record_at(records, 1);
    what.object_uuid = fuzz::record_at(records, 2);
    what.object_owner_uuid = fuzz::record_at(records, 3);
    const auto time = fuzz::record_at(records, 4);
    time.copy(reinterpret_cast<char *>(&what.created_at), sizeof what.created_at);
    const auto operand = fuzz::record_at(records, 5);

    const auto request = parse_v0_request(message);
    require(std::holds_alternative<v0_empty>(request) == message.empty(), "an empty message alone is empty");
    if (const auto *const subscribe = std::get_if<v0_subscribe>(&request)) {
        check_filter(subscribe->filter, what);
        check_around(subscribe->filter);
        require(!subscribe->last_log_id || to_number(*subscribe->last_log_id) != 0,
                "zero asks for no replay");
    } else if (const auto *const unsubscribe = std::get_if<v0_unsubscribe>(&request)) {
        require(event_filter::compile(unsubscribe->canonical).has_value(), "the canonical form is a filter");
    }
    if (const auto filter = event_filter::compile(message))
        check_filter(*filter, what);

    if (is_utf8(operand)) {
        check_condition("=", operand, what, what.event_type == operand);
        check_condition("!=", operand, what, what.event_type != operand);
        check_condition("in", operand, what, what.event_type == operand);
        check_condition("not in", operand, what, what.event_type != operand);
    }
    return 0;
}
