#pragma once

#include "server/access/principal.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace walcast {

/// What the configuration says about tokens.
struct token_settings {
    std::string cluster_id;
    std::string system_root_token; ///< empty: none
};

/// How a token is to be looked up: its form, before anything is known about its validity (facts: token
/// formats).
struct token_claim {
    enum class form : std::uint8_t {
        nothing,     ///< no token, or one that cannot be valid here
        system_root, ///< equal to SystemRootToken: no look-up needed
        v2,          ///< `v2/<uuid>/<secret>`: the row with this uuid must have this secret
        v1,          ///< a bare secret: the row that has it
    };
    form how = form::nothing;
    std::string uuid;
    std::string secret;
    /// v1: what the row holds instead if the token is an OpenID Connect access token.
    std::string hashed_secret;
    /// v2: what stands behind the secret. If it is the uuid of a container, the token is good only while that
    /// runs.
    std::string extra;
};

/// Longer tokens than this are not looked up.
inline constexpr std::size_t max_token_bytes = 2048;

[[nodiscard]] token_claim parse_token(std::string_view token, const token_settings &settings);

/// The row of `api_client_authorizations`, joined with its user.
struct token_row {
    std::string uuid;
    std::string secret;
    std::string scopes; ///< serialized, as stored
    std::string user_uuid;
    bool is_admin = false;
    bool is_active = false;
    std::optional<std::int64_t> expires_at;   ///< microseconds since 1970 UTC
    std::optional<std::int64_t> refreshes_at; ///< likewise
    /// The container whose uuid is the claim's `extra`, if there is one.
    struct container_row {
        std::string state;
        std::optional<std::string> auth_uuid;
        std::optional<std::string> runtime_token;
    };
    std::optional<container_row> container;
};

/// Who the token speaks for, if the row bears it out at this time. Secrets are compared in constant time.
[[nodiscard]] std::optional<principal> judge_token(const token_claim &claim, const token_row &row,
                                                   const token_settings &settings, std::int64_t now_us);

/// SystemRootToken's principal: the system user.
[[nodiscard]] principal system_root_principal(const token_settings &settings);

/// Equality that takes the same time wherever the difference is.
[[nodiscard]] bool equal_secrets(std::string_view one, std::string_view other);

} // namespace walcast
