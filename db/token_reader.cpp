#include "db/token_reader.hpp"

#include "server/feed/value.hpp"

namespace walcast {

namespace {

std::optional<std::int64_t> time_of(const pqxx::field &field) {
    if (field.is_null())
        return std::nullopt;
    return parse_timestamp({field.c_str(), field.size()});
}

std::optional<std::string> text_of(const pqxx::field &field) {
    return field.is_null() ? std::nullopt : std::optional(field.as<std::string>());
}

/// `condition` says which token; `container` is the SQL of the uuid of the container to look at.
std::optional<stored_token> find(pqxx::connection_base &on, const char *name, const std::string &condition,
                                 const std::string &container, const std::string &first,
                                 const std::string &second) {
    // Prepared, so that a secret is a parameter and in no statement text that a server might log.
    on.prepare(name, "SELECT a.uuid, a.api_token, a.scopes, u.uuid, coalesce(u.is_admin, false),"
                     " coalesce(u.is_active, false), a.expires_at, a.refreshes_at,"
                     " c.uuid IS NOT NULL, coalesce(c.state, ''), c.auth_uuid, c.runtime_token, a.id, u.id"
                     " FROM api_client_authorizations AS a JOIN users AS u ON u.id = a.user_id"
                     " LEFT JOIN containers AS c ON c.uuid = " +
                         container + " WHERE u.redirect_to_user_uuid IS NULL AND u.uuid IS NOT NULL AND " +
                         condition);
    pqxx::read_transaction in(on);
    const auto rows = in.exec_prepared(name, first, second);
    in.commit();
    if (rows.empty())
        return std::nullopt;
    const auto row = rows[0];
    stored_token found;
    found.uuid = row[0].as<std::string>();
    found.secret = row[1].as<std::string>();
    found.scopes = row[2].as<std::string>("");
    found.user_uuid = row[3].as<std::string>();
    found.is_admin = row[4].as<bool>();
    found.is_active = row[5].as<bool>();
    found.expires_at = time_of(row[6]);
    found.refreshes_at = time_of(row[7]);
    found.has_container = row[8].as<bool>();
    found.container_state = row[9].as<std::string>();
    found.container_auth_uuid = text_of(row[10]);
    found.container_runtime_token = text_of(row[11]);
    found.id = row[12].as<std::int64_t>();
    found.user_id = row[13].as<std::int64_t>();
    return found;
}

} // namespace

std::optional<stored_token> find_token_by_uuid(pqxx::connection_base &on, const std::string &uuid,
                                               const std::string &container_uuid) {
    return find(on, "walcast_token_by_uuid", "a.uuid = $1", "$2", uuid, container_uuid);
}

std::optional<stored_token> find_token_by_secret(pqxx::connection_base &on, const std::string &secret,
                                                 const std::string &other_secret) {
    return find(on, "walcast_token_by_secret", "a.api_token IN ($1, $2)", "NULL", secret, other_secret);
}

} // namespace walcast
