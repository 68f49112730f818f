#pragma once

#include "server/access/principal.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace walcast {

/// What the configuration says about tokens.
struct token_settings {
    std::string cluster_id;
    std::string system_root_token; ///< empty: none
    std::string anonymous_token;   ///< the secret alone; empty: none
    /// Clusters that salt the anonymous token with their own id.
    std::vector<std::string> remote_clusters;
    std::string login_cluster;   ///< where users log in, if it is another cluster
    bool openid_connect = false; ///< access tokens of an OpenID Connect provider are tokens, too
};

/// How a token is to be looked up: its form, before anything is known about its validity (facts: token
/// formats).
struct token_claim {
    enum class form : std::uint8_t {
        nothing,     ///< no token, or one that cannot be valid here
        anonymous,   ///< Users.AnonymousUserToken in one of its forms: no look-up needed
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
    /// v2: of another cluster. The database may have it, as long as that cluster vouches for it.
    bool foreign = false;
};

/// Longer tokens than this are not looked up.
inline constexpr std::size_t max_token_bytes = 2048;

[[nodiscard]] token_claim parse_token(std::string_view token, const token_settings &settings);

/// The row of `api_client_authorizations`, joined with its user.
struct token_row {
    std::int64_t id = 0, user_id = 0;
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

/// Whether the API may know more of a token than the row that was or was not found. It may of what other
/// clusters and OpenID Connect providers have issued; what this cluster issued, its database knows best.
[[nodiscard]] bool others_may_know(const token_claim &claim, const std::optional<token_row> &row,
                                   const token_settings &settings);

/// The anonymous user's principal, for whom the database needs no row.
[[nodiscard]] principal anonymous_principal(const token_settings &settings);

/// SystemRootToken's principal: the system user.
[[nodiscard]] principal system_root_principal(const token_settings &settings);

/// Equality that takes the same time wherever the difference is.
[[nodiscard]] bool equal_secrets(std::string_view one, std::string_view other);

} // namespace walcast
