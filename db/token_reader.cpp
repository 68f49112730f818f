#include "db/token_reader.hpp"

#include "server/feed/value.hpp"

#include <limits>
#include <string_view>

namespace walcast {

namespace {

/// What cannot be read, -infinity for one, is long past.
std::optional<std::int64_t> time_of(const pqxx::field &field) {
    if (field.is_null() || std::string_view(field.c_str()) == "infinity")
        return std::nullopt;
    return parse_timestamp({field.c_str(), field.size()}).value_or(std::numeric_limits<std::int64_t>::min());
}

std::optional<std::string> text_of(const pqxx::field &field) {
    return field.is_null() ? std::nullopt : std::optional(field.as<std::string>());
}

/// `condition` says which token; `container` is the SQL of the uuid of the container to look at.
token_lookup find(pqxx::connection_base &on, const char *name, const std::string &condition,
                  const std::string &container, const std::string &first, const std::string &second) {
    // Prepared, so that a secret is a parameter and in no statement text that a server might log. One
    // statement, so that the snapshot is that of the row; its functions run when it has been taken.
    on.prepare(name, "SELECT s.snapshot, s.log_end, s.now, t.* FROM (SELECT"
                     " pg_catalog.pg_current_snapshot()::text AS snapshot,"
                     " pg_catalog.pg_current_wal_insert_lsn()::text AS log_end,"
                     " (statement_timestamp() AT TIME ZONE 'UTC')::text AS now) AS s LEFT JOIN ("
                     "SELECT a.id, u.id, a.uuid, a.api_token, a.scopes, u.uuid, coalesce(u.is_admin, false),"
                     " coalesce(u.is_active, false), a.expires_at, a.refreshes_at,"
                     " c.uuid IS NOT NULL, coalesce(c.state, ''), c.auth_uuid, c.runtime_token"
                     " FROM api_client_authorizations AS a JOIN users AS u ON u.id = a.user_id"
                     " LEFT JOIN containers AS c ON c.uuid = " +
                         container + " WHERE u.redirect_to_user_uuid IS NULL AND u.uuid IS NOT NULL AND " +
                         condition + ") AS t ON true");
    pqxx::read_transaction in(on);
    const auto rows = in.exec_prepared(name, first, second);
    in.commit();
    const auto row = rows.at(0);
    token_lookup made;
    made.snapshot = row[0].as<std::string>();
    made.as_of = parse_lsn(row[1].as<std::string>()).value_or(lsn{});
    made.now_us = time_of(row[2]).value_or(0);
    if (row[3].is_null())
        return made;
    auto &found = made.found.emplace();
    found.id = row[3].as<std::int64_t>();
    found.user_id = row[4].as<std::int64_t>();
    found.uuid = row[5].as<std::string>();
    found.secret = row[6].as<std::string>();
    found.scopes = row[7].as<std::string>("");
    found.user_uuid = row[8].as<std::string>();
    found.is_admin = row[9].as<bool>();
    found.is_active = row[10].as<bool>();
    found.expires_at = time_of(row[11]);
    found.refreshes_at = time_of(row[12]);
    found.has_container = row[13].as<bool>();
    found.container_state = row[14].as<std::string>();
    found.container_auth_uuid = text_of(row[15]);
    found.container_runtime_token = text_of(row[16]);
    return made;
}

} // namespace

token_lookup find_token_by_uuid(pqxx::connection_base &on, const std::string &uuid,
                                const std::string &container_uuid) {
    return find(on, "walcast_token_by_uuid", "a.uuid = $1", "$2", uuid, container_uuid);
}

token_lookup find_token_by_secret(pqxx::connection_base &on, const std::string &secret,
                                  const std::string &other_secret) {
    return find(on, "walcast_token_by_secret", "a.api_token IN ($1, $2)", "NULL", secret, other_secret);
}

} // namespace walcast
