#pragma once

#include "server/access/uuid_text.hpp"

#include <cstdint>
#include <limits>

namespace walcast {

/// What of one row decides who may read it (facts: rules per class). Which fields mean something depends on
/// the class.
struct object_facts {
    static constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();

    bool exists = false;
    bool current = true;           ///< collections: not a past version
    bool role = false;             ///< groups
    bool permission = false;       ///< links of the class "permission"
    bool active = false;           ///< users
    bool admin = false;            ///< users
    bool redirected = false;       ///< users that were merged into another
    std::int64_t row_id = 0;       ///< the table's `id`, all that a DELETE tells; 0: it has none
    std::int64_t trash_at = never; ///< collections and groups; microseconds since 1970 UTC
    std::int64_t user_id = 0;      ///< tokens: `id` of the user
    uuid_text owner;
    /// container requests: the container; collections: the content_key; workflows: the collection; permission
    /// links: the head.
    uuid_text linked;
    uuid_text tail; ///< permission links
};

} // namespace walcast
