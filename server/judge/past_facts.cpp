#include "server/judge/past_facts.hpp"

#include "server/feed/value.hpp"

#include <rapidjson/document.h>
#include <string>

namespace walcast {

namespace {

std::string_view text_of(const rapidjson::Value &from, const char *name) {
    const auto found = from.FindMember(name);
    if (found == from.MemberEnd() || !found->value.IsString())
        return {};
    return {found->value.GetString(), found->value.GetStringLength()};
}

bool flag_of(const rapidjson::Value &from, const char *name) {
    const auto found = from.FindMember(name);
    return found != from.MemberEnd() && found->value.IsBool() && found->value.GetBool();
}

} // namespace

std::optional<object_facts> old_facts(std::string_view event_type, object_class what, std::string_view uuid,
                                      std::string_view properties) {
    if (event_type == "create")
        return object_facts();
    if (event_type != "update" && event_type != "delete")
        return std::nullopt;
    // Iteratively, as anybody can write a row, nested as deeply as he likes.
    rapidjson::Document parsed;
    parsed.Parse<rapidjson::kParseIterativeFlag>(properties.data(), properties.size());
    if (parsed.HasParseError() || !parsed.IsObject())
        return std::nullopt;
    const auto found = parsed.FindMember("old_attributes");
    if (found == parsed.MemberEnd() || !found->value.IsObject())
        return std::nullopt;
    const auto &old = found->value;
    const auto id = old.FindMember("id");
    if (id == old.MemberEnd() || !id->value.IsInt64() || text_of(old, "uuid") != uuid)
        return std::nullopt;
    object_facts made;
    made.exists = true;
    made.row_id = id->value.GetInt64();
    made.owner = uuid_text(text_of(old, "owner_uuid"));
    made.trash_at = parse_timestamp(text_of(old, "trash_at")).value_or(object_facts::never);
    switch (what) {
    case object_class::collection:
        made.current = text_of(old, "current_version_uuid") == uuid;
        made.linked = content_key(text_of(old, "portable_data_hash"));
        break;
    case object_class::group:
        made.role = text_of(old, "group_class") == "role";
        break;
    case object_class::container_request:
        made.linked = uuid_text(text_of(old, "container_uuid"));
        break;
    case object_class::workflow:
        made.linked = uuid_text(text_of(old, "collection_uuid"));
        break;
    case object_class::user:
        made.active = flag_of(old, "is_active");
        made.admin = flag_of(old, "is_admin");
        made.redirected = !text_of(old, "redirect_to_user_uuid").empty();
        break;
    case object_class::link:
        made.permission = text_of(old, "link_class") == "permission";
        if (made.permission) {
            made.linked = uuid_text(text_of(old, "head_uuid"));
            made.tail = uuid_text(text_of(old, "tail_uuid"));
        }
        break;
    case object_class::token:
        if (const auto user = old.FindMember("user_id"); user != old.MemberEnd() && user->value.IsInt64())
            made.user_id = user->value.GetInt64();
        break;
    default:
        break;
    }
    return made;
}

void past_facts::add(const transaction &next, event_reader &events, access_change_reader &changes) {
    std::vector<access_change> found;
    // First the rows of `logs`: that an object was touched says less.
    event what;
    for (const auto &change : next.changes()) {
        if (events.read(next, change, what) != event_problem::none)
            continue;
        const uuid_text uuid(what.object_uuid);
        const auto facts =
            old_facts(what.event_type, class_of(what.object_uuid), what.object_uuid, what.properties);
        if (!uuid.empty() && facts)
            before_.try_emplace(uuid, facts);
    }
    for (const auto &change : next.changes())
        changes.read(next, change, found);
    for (const auto &one : found)
        if (const auto *object = std::get_if<object_change>(&one))
            before_.try_emplace(object->uuid, std::nullopt);
}

past_facts::answer past_facts::find(const uuid_text &uuid, object_facts &into) const {
    const auto found = before_.find(uuid);
    if (found == before_.end())
        return answer::untouched;
    if (!found->second)
        return answer::unknown;
    into = *found->second;
    return answer::known;
}

std::vector<uuid_text> past_facts::linked_to(const uuid_text &what) const {
    std::vector<uuid_text> found;
    for (const auto &[uuid, facts] : before_)
        if (facts && facts->exists && facts->linked == what)
            found.push_back(uuid);
    return found;
}

} // namespace walcast
