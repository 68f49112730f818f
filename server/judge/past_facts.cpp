#include "server/judge/past_facts.hpp"

#include "server/access/object_columns.hpp"
#include "server/feed/value.hpp"

#include <rapidjson/document.h>
#include <set>
#include <string>
#include <utility>

namespace walcast {

namespace {

/// A row's attributes in JSON, as facts_of() reads it.
struct attributes {
    const rapidjson::Value &object;

    [[nodiscard]] const rapidjson::Value *find(std::string_view name) const {
        const rapidjson::Value key(
            rapidjson::StringRef(name.data(), static_cast<rapidjson::SizeType>(name.size())));
        const auto found = object.FindMember(key);
        return found == object.MemberEnd() ? nullptr : &found->value;
    }
    [[nodiscard]] bool has(fact_column column) const { return find(name_of(column)) != nullptr; }
    [[nodiscard]] std::optional<std::string_view> text(std::string_view name) const {
        const auto *found = find(name);
        if (found == nullptr || !found->IsString())
            return std::nullopt;
        return std::string_view(found->GetString(), found->GetStringLength());
    }
    [[nodiscard]] std::optional<std::string_view> text(fact_column column) const {
        return text(name_of(column));
    }
    [[nodiscard]] std::optional<std::int64_t> integer(fact_column column) const {
        const auto *found = find(name_of(column));
        return found != nullptr && found->IsInt64() ? std::optional(found->GetInt64()) : std::nullopt;
    }
    [[nodiscard]] std::optional<bool> boolean(fact_column column) const {
        const auto *found = find(name_of(column));
        return found != nullptr && found->IsBool() ? std::optional(found->GetBool()) : std::nullopt;
    }
    [[nodiscard]] std::optional<std::int64_t> time(fact_column column) const {
        return parse_timestamp(text(column).value_or(""));
    }
};

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
    const attributes old{found->value};
    if (!old.integer(fact_column::id) || old.text("uuid") != uuid)
        return std::nullopt;
    return facts_of(what, uuid, old);
}

void past_facts::add(const transaction &next, event_reader &events, access_change_reader &changes,
                     std::vector<access_change> &found) {
    std::unordered_map<uuid_text, touch> touched; // the first one of each object in this segment
    std::set<std::pair<object_class, std::int64_t>> gone;
    for (const auto &change : next.changes()) {
        const auto first = found.size();
        changes.read(next, change, found);
        for (auto at = first; at < found.size(); ++at) {
            if (const auto *object = std::get_if<object_change>(&found[at]))
                touched.try_emplace(object->uuid, touch{change.kind, object->facts});
            else if (const auto *row = std::get_if<object_gone>(&found[at]))
                gone.emplace(row->what, row->row_id);
        }
    }
    // First the rows of `logs`: that an object was touched says less. Anybody can write one, so it is
    // believed only beside the change that it tells of.
    event what;
    for (const auto &change : next.changes()) {
        if (events.read(next, change, what) != event_problem::none)
            continue;
        const uuid_text uuid(what.object_uuid);
        if (uuid.empty() || before_.contains(uuid))
            continue;
        const auto facts =
            old_facts(what.event_type, class_of(what.object_uuid), what.object_uuid, what.properties);
        if (!facts)
            continue;
        const auto beside = touched.find(uuid);
        const auto how = beside == touched.end() ? std::nullopt : std::optional(beside->second.how);
        const bool borne_out =
            what.event_type == "delete"
                ? how == change_kind::remove || gone.erase({class_of(what.object_uuid), facts->row_id}) > 0
                : how && (*how == change_kind::insert) != facts->exists;
        if (borne_out)
            before_.emplace(uuid, past{*facts, true});
    }
    for (const auto &[uuid, one] : touched) {
        if (one.how == change_kind::insert)
            before_.try_emplace(uuid, past{object_facts(), true});
        else
            before_.try_emplace(uuid, past{one.after, false});
    }
}

past_facts::answer past_facts::find(const uuid_text &uuid, object_facts &into) const {
    const auto found = before_.find(uuid);
    if (found == before_.end())
        return answer::untouched;
    into = found->second.facts;
    return found->second.sure ? answer::known : answer::guessed;
}

std::vector<uuid_text> past_facts::linked_to(const uuid_text &what) const {
    std::vector<uuid_text> found;
    for (const auto &[uuid, one] : before_)
        if (one.facts.exists && one.facts.linked == what)
            found.push_back(uuid);
    return found;
}

} // namespace walcast
