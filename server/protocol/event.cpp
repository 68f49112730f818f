#include "server/protocol/event.hpp"

#include <algorithm>
#include <optional>

namespace walcast {

namespace {

/// RFC 3339 writes years with four digits.
constexpr std::int64_t first_writable = -62'167'219'200'000'000; // 0000-01-01T00:00:00Z
constexpr std::int64_t last_writable = 253'402'300'799'999'999;  // 9999-12-31T23:59:59.999999Z

/// More shapes than this are not remembered at once: a database whose tables are altered for ever must not
/// fill the memory.
constexpr std::size_t most_known = 1024;

std::uint32_t type_at(int place, const relation &table) {
    return place < 0 ? 0 : table.columns()[static_cast<std::size_t>(place)].type;
}

std::optional<std::string_view> text_at(const row &from, int place, const relation &table) {
    if (place < 0)
        return std::nullopt;
    return to_text(from[place], type_at(place, table));
}

} // namespace

std::string_view to_string(event_problem problem) {
    switch (problem) {
    case event_problem::none:
        return "none";
    case event_problem::not_an_event:
        return "not_an_event";
    case event_problem::no_column:
        return "no_column";
    case event_problem::no_id:
        return "no_id";
    case event_problem::no_uuid:
        return "no_uuid";
    case event_problem::no_object_uuid:
        return "no_object_uuid";
    case event_problem::no_event_at:
        return "no_event_at";
    }
    return "unknown";
}

const event_reader::places &event_reader::find(const relation &table) {
    if (last_places_ != nullptr && last_ == table.id())
        return *last_places_;
    if (known_.size() >= most_known)
        known_.clear();
    const auto [found, is_new] = known_.try_emplace(table.id());
    auto &at = found->second;
    if (is_new && table.name() == "logs") {
        at.is_logs = true;
        at.id = table.find("id");
        at.uuid = table.find("uuid");
        at.object_uuid = table.find("object_uuid");
        at.object_owner_uuid = table.find("object_owner_uuid");
        at.event_type = table.find("event_type");
        at.event_at = table.find("event_at");
        at.created_at = table.find("created_at");
        at.properties = table.find("properties");
        // A null is sent as empty, but a column that is gone is not a null: whoever filters by it, or may see
        // an object because of its owner, would be told what is not so.
        at.whole = std::min({at.id, at.uuid, at.object_uuid, at.object_owner_uuid, at.event_type, at.event_at,
                             at.properties}) >= 0;
    }
    last_ = table.id();
    last_places_ = &at;
    return at;
}

event_problem event_reader::read(const transaction &of, const change &in, event &into) {
    if (in.kind != change_kind::insert || in.table == nullptr)
        return event_problem::not_an_event;
    const auto &table = *in.table;
    const auto &at = find(table);
    if (!at.is_logs)
        return event_problem::not_an_event;
    if (!at.whole)
        return event_problem::no_column;

    const auto values = of.new_row(in);
    const auto id = to_integer(values[at.id], type_at(at.id, table));
    if (!id)
        return event_problem::no_id;
    const auto uuid = text_at(values, at.uuid, table);
    if (!uuid)
        return event_problem::no_uuid;
    const auto object_uuid = text_at(values, at.object_uuid, table);
    if (!object_uuid)
        return event_problem::no_object_uuid;
    const auto event_at = to_unix_microseconds(values[at.event_at], type_at(at.event_at, table));
    if (!event_at || *event_at < first_writable || *event_at > last_writable)
        return event_problem::no_event_at;

    into.id = log_id{*id};
    into.uuid = *uuid;
    into.object_uuid = *object_uuid;
    // What is there and yet no text, as after a change of its type, is as good as missing.
    for (const auto place : {at.object_owner_uuid, at.event_type, at.properties})
        if (values[place].present() && !text_at(values, place, table))
            return event_problem::no_column;
    into.object_owner_uuid = text_at(values, at.object_owner_uuid, table).value_or("");
    into.event_type = text_at(values, at.event_type, table).value_or("");
    into.event_at = *event_at;
    into.created_at =
        to_unix_microseconds(values[at.created_at], type_at(at.created_at, table)).value_or(*event_at);
    into.properties = text_at(values, at.properties, table).value_or("");
    return event_problem::none;
}

} // namespace walcast
