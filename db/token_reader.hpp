#pragma once

#include "server/feed/position.hpp"

#include <cstdint>
#include <optional>
#include <pqxx/pqxx>
#include <string>

namespace walcast {

/// A row of `api_client_authorizations` with its user, as stored; nothing about it has been judged.
struct stored_token {
    std::int64_t id = 0, user_id = 0;
    std::string uuid;
    std::string secret;
    std::string scopes;
    std::string user_uuid;
    bool is_admin = false;
    bool is_active = false;
    std::optional<std::int64_t> expires_at;   ///< microseconds since 1970 UTC
    std::optional<std::int64_t> refreshes_at; ///< likewise
    bool has_container = false;               ///< the container that was asked for exists
    std::string container_state;
    std::optional<std::string> container_auth_uuid;
    std::optional<std::string> container_runtime_token;
};

/// What a look-up found, and which state of the database it saw.
struct token_lookup {
    std::optional<stored_token> found;
    std::string snapshot;    ///< pg_current_snapshot() of the query
    lsn as_of;               ///< every commit visible to the query ends at or before this
    std::int64_t now_us = 0; ///< the server's clock, which is the one that tokens expire by
};

/// By the unique index on uuid, with the container of that uuid, if it exists. Nothing is found if there is
/// no such token, or its user is gone or was merged into another.
[[nodiscard]] token_lookup find_token_by_uuid(pqxx::connection_base &on, const std::string &uuid,
                                              const std::string &container_uuid);
/// By the unique index on api_token, under either secret.
[[nodiscard]] token_lookup find_token_by_secret(pqxx::connection_base &on, const std::string &secret,
                                                const std::string &other_secret);

} // namespace walcast
