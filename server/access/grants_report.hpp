#pragma once

#include "server/access/uuid_text.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace walcast {

/// What a user reads by the permission graph: the targets of its own rows of materialized_permissions, and of
/// those of the users that it manages. Neither trash nor whether a user is active plays a part.
struct reading {
    std::size_t count = 0; ///< of targets
    bool all = false;      ///< it is an administrator, who reads everything, target or not
    bool exists = false;   ///< there is such a user
    bool alone = false;    ///< its own rows are all that counts

    bool operator==(const reading &) const = default;
};

/// What one transaction did to it.
struct reading_change {
    static constexpr std::size_t most_named = 1'000;

    std::size_t gained = 0;
    std::size_t lost = 0;
    /// The first of them, in order.
    std::vector<uuid_text> gained_uuids;
    std::vector<uuid_text> lost_uuids;

    [[nodiscard]] bool empty() const { return gained == 0 && lost == 0; }
};

/// What the judge says about a user whose grants are watched: the answer to who asks, then what each
/// transaction changed.
struct grants_report {
    std::uint64_t transaction; ///< as of an object_verdict
    std::uint64_t epoch;       ///< of the batches that it is about
    std::uint64_t ticket;      ///< whoever asked with this one, or an earlier one, has its answer
    uuid_text user;
    reading now;
    std::optional<reading_change> change; ///< nothing: it is an answer
};

} // namespace walcast
