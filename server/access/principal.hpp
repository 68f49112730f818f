#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace walcast {

/// Who a token speaks for, as of one moment.
struct principal {
    std::string user_uuid;
    std::string token_uuid; ///< safe to log, unlike the token
    bool is_admin = false;
    bool is_active = false;
    std::vector<std::string> scopes;
    /// Microseconds since 1970 UTC from which the token is dead.
    std::int64_t expires_at = std::numeric_limits<std::int64_t>::max();
    /// Microseconds since 1970 UTC from which nobody vouches for the token any more, until whoever issued it
    /// has been asked again.
    std::int64_t refreshes_at = std::numeric_limits<std::int64_t>::max();
    /// Of the rows in the database; 0 if there are none, as for SystemRootToken.
    std::int64_t token_id = 0, user_id = 0;
    std::string container_uuid; ///< the token is good only while this container runs; empty: no such limit
    /// False once the token or its user was deleted, the user merged into another, or the container has
    /// ended. None of them comes back.
    bool exists = true;

    /// The token was good for a request at this time; for an event that is the time of its commit.
    [[nodiscard]] bool alive(std::int64_t now_us) const {
        return exists && now_us < expires_at && now_us < refreshes_at;
    }
    /// Good but for its issuer, who is to be asked again.
    [[nodiscard]] bool stale(std::int64_t now_us) const {
        return exists && now_us < expires_at && now_us >= refreshes_at;
    }
    /// Whether time alone may end it.
    [[nodiscard]] bool ends() const {
        constexpr auto never = std::numeric_limits<std::int64_t>::max();
        return expires_at != never || refreshes_at != never;
    }
    /// The token is not limited to certain requests.
    [[nodiscard]] bool unlimited() const {
        return std::find(scopes.begin(), scopes.end(), "all") != scopes.end();
    }
    /// May see every event.
    [[nodiscard]] bool sees_everything() const { return exists && is_admin && unlimited(); }

    bool operator==(const principal &) const = default;
};

} // namespace walcast
