#include "server/access/access_change.hpp"

#include <array>
#include <string_view>

namespace walcast {

namespace {

/// More shapes of tables than this are not remembered at once.
constexpr std::size_t most_known = 1024;

struct object_table {
    std::string_view name;
    object_class what;
    /// The columns that decide, besides id, uuid, owner_uuid and trash_at.
    std::array<std::string_view, 3> columns;
};

constexpr std::array<object_table, 11> object_tables{{
    {"collections", object_class::collection, {"current_version_uuid", "portable_data_hash"}},
    {"groups", object_class::group, {"group_class"}},
    {"container_requests", object_class::container_request, {"container_uuid"}},
    {"containers", object_class::container, {}},
    {"workflows", object_class::workflow, {"collection_uuid"}},
    {"users", object_class::user, {"is_active", "redirect_to_user_uuid", "is_admin"}},
    {"links", object_class::link, {"link_class", "head_uuid", "tail_uuid"}},
    {"api_client_authorizations", object_class::token, {"user_id"}},
    {"virtual_machines", object_class::virtual_machine, {}},
    {"credentials", object_class::credential, {}},
    {"authorized_keys", object_class::authorized_key, {}},
}};

/// The values of one row of a table, by place; those that are not there are empty, zero or false.
struct reading {
    const row &values;
    const relation &table;

    [[nodiscard]] std::uint32_t type(int place) const {
        return table.columns()[static_cast<std::size_t>(place)].type;
    }
    [[nodiscard]] std::string_view text(int place) const {
        return place < 0 ? std::string_view() : to_text(values[place], type(place)).value_or("");
    }
    [[nodiscard]] std::optional<std::int64_t> number(int place) const {
        return place < 0 ? std::nullopt : to_integer(values[place], type(place));
    }
    [[nodiscard]] std::optional<std::int64_t> time(int place) const {
        return place < 0 ? std::nullopt : to_unix_microseconds(values[place], type(place));
    }
    [[nodiscard]] bool flag(int place) const {
        return place >= 0 && to_boolean(values[place]).value_or(false);
    }
    [[nodiscard]] uuid_text uuid(int place) const { return uuid_text(text(place)); }
};

grant grant_of(const reading &from, int level, int owned) {
    const auto number = from.number(level).value_or(0);
    if (number < 1)
        return {}; // level 0 is in the table after a full refresh, and grants nothing
    return {static_cast<std::uint8_t>(number > 3 ? 3 : number), from.flag(owned)};
}

object_facts facts_of(object_class what, const reading &from, int id, int owner, int trash_at, int first,
                      int second, int third) {
    object_facts made;
    made.exists = true;
    made.row_id = from.number(id).value_or(0);
    made.owner = from.uuid(owner);
    made.trash_at = from.time(trash_at).value_or(object_facts::never);
    switch (what) {
    case object_class::group:
        made.role = from.text(first) == "role";
        break;
    case object_class::container_request:
    case object_class::workflow:
        made.linked = from.uuid(first);
        break;
    case object_class::user:
        made.active = from.flag(first);
        made.redirected = !from.text(second).empty();
        made.admin = from.flag(third);
        break;
    case object_class::link:
        made.permission = from.text(first) == "permission";
        if (made.permission) {
            made.linked = from.uuid(second);
            made.tail = from.uuid(third);
        }
        break;
    case object_class::token:
        made.user_id = from.number(first).value_or(0);
        break;
    default:
        break;
    }
    return made;
}

} // namespace

const access_change_reader::places &access_change_reader::find(const relation &table) {
    if (known_.size() >= most_known)
        known_.clear();
    const auto [found, is_new] = known_.try_emplace(table.id());
    auto &at = found->second;
    if (!is_new)
        return at;
    if (table.name() == "materialized_permissions") {
        at = {.what = followed::permissions,
              .uuid = table.find("user_uuid"),
              .first = table.find("target_uuid"),
              .second = table.find("perm_level"),
              .third = table.find("traverse_owned")};
    } else if (table.name() == "trashed_groups") {
        at = {
            .what = followed::trashed, .uuid = table.find("group_uuid"), .trash_at = table.find("trash_at")};
    } else if (table.name() == "frozen_groups") {
        at = {.what = followed::frozen, .uuid = table.find("uuid")};
    } else {
        for (const auto &one : object_tables) {
            if (one.name != table.name())
                continue;
            const auto place = [&](std::size_t number) {
                return one.columns[number].empty() ? -1 : table.find(one.columns[number]);
            };
            at = {.what = followed::object,
                  .objects = one.what,
                  .id = table.find("id"),
                  .uuid = table.find("uuid"),
                  .owner = table.find("owner_uuid"),
                  .trash_at = table.find("trash_at"),
                  .first = place(0),
                  .second = place(1),
                  .third = place(2)};
        }
    }
    return at;
}

void access_change_reader::read(const transaction &of, const change &in, std::vector<access_change> &into) {
    if (in.table == nullptr)
        return;
    const auto &at = find(*in.table);
    if (at.what == followed::no)
        return;
    if (at.what == followed::object)
        return read_object(of, in, at, into);
    if (in.kind == change_kind::truncate) {
        into.emplace_back(all_gone{at.what == followed::permissions ? all_gone::table::permissions
                                   : at.what == followed::trashed   ? all_gone::table::trashed
                                                                    : all_gone::table::frozen});
        return;
    }
    // Replica identity full: updates and deletes carry the whole old row.
    const auto old_values = of.old_row(in);
    const auto new_values = of.new_row(in);
    const auto add = [&](const row &values, bool is_new) {
        if (values.empty())
            return;
        const reading from{values, *in.table};
        const auto key = from.uuid(at.uuid);
        switch (at.what) {
        case followed::permissions: {
            const auto granted = grant_of(from, at.second, at.third);
            into.emplace_back(grant_change{key, from.uuid(at.first), is_new ? grant() : granted,
                                           is_new ? granted : grant()});
            break;
        }
        case followed::trashed: {
            // No time at all: it is not trashed.
            const auto when = from.time(at.trash_at);
            into.emplace_back(trash_change{key, is_new ? std::nullopt : when, is_new ? when : std::nullopt});
            break;
        }
        default:
            into.emplace_back(freeze_change{key, !is_new, is_new});
        }
    };
    // An update is the end of one row and the beginning of another.
    add(old_values, false);
    add(new_values, true);
}

void access_change_reader::read_object(const transaction &of, const change &in, const places &at,
                                       std::vector<access_change> &into) const {
    if (in.kind == change_kind::truncate) {
        into.emplace_back(object_unknown{at.objects, {}});
        return;
    }
    if (in.kind == change_kind::remove) {
        const auto values = of.old_row(in);
        const reading from{values, *in.table};
        if (const auto uuid = from.uuid(at.uuid); !uuid.empty()) {
            into.emplace_back(object_change{uuid, {}});
        } else if (const auto id = from.number(at.id)) {
            into.emplace_back(object_gone{at.objects, *id});
        }
        return;
    }
    const auto values = of.new_row(in);
    const reading from{values, *in.table};
    const auto uuid = from.uuid(at.uuid);
    if (uuid.empty())
        return;
    if (at.owner < 0 && at.objects != object_class::token) {
        into.emplace_back(object_unknown{at.objects, uuid});
        return;
    }
    auto facts = facts_of(at.objects, from, at.id, at.owner, at.trash_at, at.first, at.second, at.third);
    if (at.objects == object_class::collection) {
        facts.current = at.first < 0 || from.text(at.first) == uuid.view();
        facts.linked = content_key(from.text(at.second));
    }
    into.emplace_back(object_change{uuid, facts});
}

} // namespace walcast
