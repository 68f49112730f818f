#include "server/protocol/event.hpp"

#include "server/feed/typed_row.hpp"
#include "server/protocol/json_time.hpp"

#include <algorithm>
#include <optional>

namespace walcast {

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

event_reader::places event_reader::look_at(const relation &table) {
    places at;
    if (table.name() != "logs")
        return at;
    at.is_logs = true;
    at.id = table.find("id");
    at.uuid = table.find("uuid");
    at.object_uuid = table.find("object_uuid");
    at.object_owner_uuid = table.find("object_owner_uuid");
    at.event_type = table.find("event_type");
    at.event_at = table.find("event_at");
    at.created_at = table.find("created_at");
    at.properties = table.find("properties");
    // A null is sent as empty, but a column that is gone is not a null: whoever filters by it, or may see an
    // object because of its owner, would be told what is not so.
    at.whole = std::min({at.id, at.uuid, at.object_uuid, at.object_owner_uuid, at.event_type, at.event_at,
                         at.properties}) >= 0;
    return at;
}

event_problem event_reader::read(const transaction &of, const change &in, event &into) {
    if (in.kind != change_kind::insert || in.table == nullptr)
        return event_problem::not_an_event;
    const auto &at = known_.find(*in.table, look_at);
    if (!at.is_logs)
        return event_problem::not_an_event;
    if (!at.whole)
        return event_problem::no_column;

    const typed_row values(of.new_row(in), *in.table);
    const auto id = values.integer(at.id);
    if (!id)
        return event_problem::no_id;
    const auto uuid = values.text(at.uuid);
    if (!uuid)
        return event_problem::no_uuid;
    const auto object_uuid = values.text(at.object_uuid);
    if (!object_uuid)
        return event_problem::no_object_uuid;
    const auto event_at = values.time(at.event_at);
    if (!event_at || !has_json_time(*event_at))
        return event_problem::no_event_at;

    into.id = log_id{*id};
    into.uuid = *uuid;
    into.object_uuid = *object_uuid;
    // What is there and yet no text, as after a change of its type, is as good as missing.
    for (const auto place : {at.object_owner_uuid, at.event_type, at.properties})
        if (values.at(place).present() && !values.text(place))
            return event_problem::no_column;
    into.object_owner_uuid = values.text(at.object_owner_uuid).value_or("");
    into.event_type = values.text(at.event_type).value_or("");
    into.event_at = *event_at;
    into.created_at = values.time(at.created_at).value_or(*event_at);
    into.properties = values.text(at.properties).value_or("");
    return event_problem::none;
}

} // namespace walcast
