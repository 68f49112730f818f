#include "db/access_reader.hpp"

#include "server/access/object_columns.hpp"
#include "server/feed/relation.hpp"
#include "server/feed/value.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <span>
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
        found[uuid_of(row[0])].targets.emplace_back(
            uuid_of(row[1]), grant::of_row(row[2].as<std::int64_t>(), flag_of(row[3])));
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

/// `SELECT uuid, …`: the columns of columns_of(). Older releases of Arvados lack one of them, which is read
/// by way of jsonb.
std::string facts_query(object_class what) {
    std::string made = "SELECT uuid";
    for (const auto column : columns_of(what))
        made += column == fact_column::collection_uuid ? ", to_jsonb(t) ->> 'collection_uuid'"
                                                       : ", " + std::string(name_of(column));
    return made + " FROM " + std::string(resource_of(what)) + " AS t";
}

/// A row of that query, as facts_of() reads it.
struct read_row {
    const pqxx::row &row;
    std::span<const fact_column> columns;

    [[nodiscard]] std::optional<std::string_view> text(fact_column column) const {
        const auto found = std::find(columns.begin(), columns.end(), column);
        if (found == columns.end())
            return std::nullopt;
        const auto field = row[static_cast<pqxx::row::size_type>(found - columns.begin() + 1)];
        return field.is_null() ? std::nullopt : std::optional(std::string_view(field.c_str(), field.size()));
    }
    [[nodiscard]] bool has(fact_column column) const {
        return std::find(columns.begin(), columns.end(), column) != columns.end();
    }
    [[nodiscard]] std::optional<std::int64_t> integer(fact_column column) const {
        return to_integer(as_text(column), pg_type::text);
    }
    [[nodiscard]] std::optional<bool> boolean(fact_column column) const {
        return to_boolean(as_text(column));
    }
    [[nodiscard]] std::optional<std::int64_t> time(fact_column column) const {
        return parse_timestamp(text(column).value_or(""));
    }

  private:
    [[nodiscard]] value as_text(fact_column column) const {
        const auto read = text(column);
        return read ? value{value_kind::text, *read} : value{};
    }
};

/// Adds what the query finds.
void read_facts(snapshot_transaction &in, object_class what, const std::string &condition,
                access_answer &into) {
    for (const auto &row : in.exec(facts_query(what) + " WHERE " + condition)) {
        const auto uuid = uuid_of(row[0]);
        into.objects.emplace_back(uuid, facts_of(what, uuid.view(), read_row{row, columns_of(what)}));
    }
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
        if (columns_of(what).empty())
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
