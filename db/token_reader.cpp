#include "db/token_reader.hpp"

#include "server/feed/value.hpp"

#include <string_view>

namespace walcast {

namespace {

std::optional<std::int64_t> time_of(const pqxx::field &field)
{
    if (field.is_null())
        return std::nullopt;
    return parse_timestamp({field.c_str(), field.size()});
}

std::optional<stored_token> find(pqxx::connection_base &on, const char *name, const char *column, const std::string &key)
{
    // Prepared, so that the secret is a parameter and in no statement text that a server might log.
    on.prepare(name, std::string("SELECT a.uuid, a.api_token, a.scopes, u.uuid, coalesce(u.is_admin, false),"
                                 " coalesce(u.is_active, false), a.expires_at, a.refreshes_at"
                                 " FROM api_client_authorizations AS a JOIN users AS u ON u.id = a.user_id"
                                 " WHERE u.redirect_to_user_uuid IS NULL AND u.uuid IS NOT NULL AND a.") +
                         column + " = $1");
    pqxx::read_transaction in(on);
    const auto rows = in.exec_prepared(name, key);
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
    return found;
}

} // namespace

std::optional<stored_token> find_token_by_uuid(pqxx::connection_base &on, const std::string &uuid)
{
    return find(on, "walcast_token_by_uuid", "uuid", uuid);
}

std::optional<stored_token> find_token_by_secret(pqxx::connection_base &on, const std::string &secret)
{
    return find(on, "walcast_token_by_secret", "api_token", secret);
}

} // namespace walcast
