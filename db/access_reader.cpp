#include "db/access_reader.hpp"

#include "server/feed/value.hpp"

#include <fmt/format.h>
#include <map>
#include <string_view>
#include <unordered_map>

namespace walcast {

namespace {

/// Reads in one snapshot; rows come as text.
using snapshot_transaction = pqxx::transaction<pqxx::repeatable_read, pqxx::read_only>;

/// `'{"a","b"}'::text[]`, whatever characters are in them.
template <class Range>
std::string text_array(snapshot_transaction &in, const Range &texts) {
    std::string made = "{";
    for (const auto &one : texts) {
        made += made.size() > 1 ? ",\"" : "\"";
        for (const char each : std::string_view(one)) {
            if (each == '"' || each == '\\')
                made += '\\';
            made += each;
        }
        made += '"';
    }
    return in.quote(made + "}") + "::text[]";
}

std::vector<std::string_view> views(const std::vector<uuid_text> &uuids) {
    std::vector<std::string_view> made;
    made.reserve(uuids.size());
    for (const auto &one : uuids)
        made.push_back(one.view());
    return made;
}

uuid_text uuid_of(const pqxx::field &field) {
    return field.is_null() ? uuid_text() : uuid_text({field.c_str(), field.size()});
}

bool flag_of(const pqxx::field &field) {
    return !field.is_null() && field.c_str()[0] == 't';
}

std::int64_t time_of(const pqxx::field &field) {
    if (field.is_null())
        return object_facts::never;
    return parse_timestamp({field.c_str(), field.size()}).value_or(object_facts::never);
}

void read_origins(snapshot_transaction &in, const std::vector<uuid_text> &users, access_answer &into) {
    std::unordered_map<uuid_text, grant_rows> found;
    for (const auto &user : users)
        found[user].user = user;
    const auto wanted = text_array(in, views(users));
    for (const auto &row :
         in.exec("SELECT uuid, is_active, id, is_admin FROM users WHERE uuid = ANY (" + wanted + ")")) {
        auto &user = found[uuid_of(row[0])];
        user.active = flag_of(row[1]);
        user.user_id = row[2].as<std::int64_t>();
        user.admin = flag_of(row[3]);
    }
    for (const auto &row :
         in.exec("SELECT user_uuid, target_uuid, perm_level, traverse_owned"
                 " FROM materialized_permissions WHERE perm_level >= 1 AND user_uuid = ANY (" +
                 wanted + ")")) {
        if (row[1].is_null())
            continue;
        const auto level = row[2].as<int>();
        found[uuid_of(row[0])].targets.emplace_back(
            uuid_of(row[1]), grant{static_cast<std::uint8_t>(level > 3 ? 3 : level), flag_of(row[3])});
    }
    for (auto &[user, rows] : found)
        into.origins.push_back(std::move(rows));
}

void read_hidden(snapshot_transaction &in, access_answer &into) {
    for (const auto &row :
         in.exec("SELECT group_uuid, trash_at FROM trashed_groups WHERE trash_at IS NOT NULL"))
        into.hidden.trashed[uuid_of(row[0])] = time_of(row[1]);
    for (const auto &row : in.exec("SELECT uuid FROM frozen_groups"))
        into.hidden.frozen.insert(uuid_of(row[0]));
}

/// The query for the facts of objects of one class. Columns: id, uuid, owner_uuid, trash_at, and up to three
/// more, whose meaning fill() knows. Columns that older releases of Arvados lack are read by way of jsonb.
const char *facts_query(object_class what) {
    switch (what) {
    case object_class::collection:
        return "SELECT id, uuid, owner_uuid, trash_at, current_version_uuid = uuid, portable_data_hash"
               " FROM collections";
    case object_class::group:
        return "SELECT id, uuid, owner_uuid, trash_at, group_class = 'role' FROM groups";
    case object_class::container_request:
        return "SELECT id, uuid, owner_uuid, NULL, container_uuid FROM container_requests";
    case object_class::container:
        return "SELECT id, uuid, owner_uuid, NULL FROM containers";
    case object_class::workflow:
        return "SELECT id, uuid, owner_uuid, NULL, to_jsonb(w) ->> 'collection_uuid' FROM workflows AS w";
    case object_class::user:
        return "SELECT id, uuid, owner_uuid, NULL, is_active, redirect_to_user_uuid IS NOT NULL FROM users";
    case object_class::link:
        return "SELECT id, uuid, owner_uuid, NULL, link_class = 'permission', head_uuid, tail_uuid FROM "
               "links";
    case object_class::token:
        return "SELECT id, uuid, NULL, NULL, user_id FROM api_client_authorizations";
    case object_class::virtual_machine:
        return "SELECT id, uuid, owner_uuid, NULL FROM virtual_machines";
    case object_class::credential:
        return "SELECT 0, uuid, owner_uuid, NULL FROM credentials";
    case object_class::authorized_key:
        return "SELECT id, uuid, owner_uuid, NULL FROM authorized_keys";
    default:
        return nullptr;
    }
}

object_facts facts_of(object_class what, const pqxx::row &row) {
    object_facts made;
    made.exists = true;
    made.row_id = row[0].as<std::int64_t>();
    made.owner = uuid_of(row[2]);
    made.trash_at = time_of(row[3]);
    switch (what) {
    case object_class::collection:
        made.current = flag_of(row[4]);
        made.linked = row[5].is_null() ? uuid_text() : content_key(row[5].c_str());
        break;
    case object_class::group:
        made.role = flag_of(row[4]);
        break;
    case object_class::container_request:
    case object_class::workflow:
        made.linked = uuid_of(row[4]);
        break;
    case object_class::token:
        made.user_id = row[4].as<std::int64_t>();
        break;
    case object_class::user:
        made.active = flag_of(row[4]);
        made.redirected = flag_of(row[5]);
        break;
    case object_class::link:
        made.permission = flag_of(row[4]);
        if (made.permission) {
            made.linked = uuid_of(row[5]);
            made.tail = uuid_of(row[6]);
        }
        break;
    default:
        break;
    }
    return made;
}

/// Adds what the query finds; returns the uuids.
void read_facts(snapshot_transaction &in, object_class what, const std::string &condition,
                access_answer &into) {
    for (const auto &row : in.exec(std::string(facts_query(what)) + " WHERE " + condition))
        into.objects.emplace_back(uuid_of(row[1]), facts_of(what, row));
}

/// What is linked to each of these: its facts, and the list.
void read_linked(snapshot_transaction &in, object_class what, const std::string &condition,
                 const std::vector<uuid_text> &to, access_answer &into) {
    const auto before = into.objects.size();
    read_facts(in, what, condition, into);
    std::unordered_map<uuid_text, std::vector<uuid_text>> lists;
    for (const auto &one : to)
        lists[one];
    for (auto at = before; at < into.objects.size(); ++at)
        lists[into.objects[at].second.linked].push_back(into.objects[at].first);
    for (auto &[key, all] : lists)
        into.linked.emplace_back(key, std::move(all));
}

void read_content(snapshot_transaction &in, const std::vector<uuid_text> &keys, access_answer &into) {
    std::vector<std::string> hashes;
    for (const auto &one : keys)
        if (auto hash = content_hash(one); !hash.empty())
            hashes.push_back(std::move(hash));
    if (!hashes.empty())
        read_linked(in, object_class::collection, "portable_data_hash = ANY (" + text_array(in, hashes) + ")",
                    keys, into);
}

void read_objects(snapshot_transaction &in, const std::vector<uuid_text> &objects, access_answer &into) {
    std::map<object_class, std::vector<uuid_text>> by_class;
    for (const auto &one : objects)
        by_class[class_of(one.view())].push_back(one);
    for (const auto &[what, uuids] : by_class) {
        if (what == object_class::none)
            read_content(in, uuids, into);
        if (facts_query(what) == nullptr)
            continue;
        const auto wanted = text_array(in, views(uuids));
        read_facts(in, what, "uuid = ANY (" + wanted + ")", into);
        if (what == object_class::container)
            read_linked(in, object_class::container_request, "container_uuid = ANY (" + wanted + ")", uuids,
                        into);
    }
}

} // namespace

access_answer read_access(pqxx::connection_base &on, const access_query &query) {
    snapshot_transaction in(on);
    access_answer made;
    made.number = query.number;
    made.snapshot = in.exec1("SELECT pg_catalog.pg_current_snapshot()::text")[0].as<std::string>();
    made.as_of =
        parse_lsn(in.exec1("SELECT pg_catalog.pg_current_wal_insert_lsn()::text")[0].as<std::string>())
            .value_or(lsn{});
    if (!query.origins.empty())
        read_origins(in, query.origins, made);
    if (!query.objects.empty())
        read_objects(in, query.objects, made);
    if (query.hidden)
        read_hidden(in, made);
    in.commit();
    return made;
}

} // namespace walcast
