#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace walcast {

/// Who a token speaks for. Immutable once made.
struct principal {
    std::string user_uuid;
    std::string token_uuid; ///< safe to log, unlike the token
    bool is_admin = false;
    bool is_active = false;
    std::vector<std::string> scopes;
    /// Microseconds since 1970 UTC from which the token is dead: the earlier of expires_at and refreshes_at.
    std::int64_t expires_at = std::numeric_limits<std::int64_t>::max();

    [[nodiscard]] bool alive(std::int64_t now_us) const { return now_us < expires_at; }
    /// May see every event: an administrator with a token that is not limited to certain requests.
    [[nodiscard]] bool sees_everything() const {
        return is_admin && std::find(scopes.begin(), scopes.end(), "all") != scopes.end();
    }
};

} // namespace walcast
