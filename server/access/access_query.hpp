#pragma once

#include "server/access/grants.hpp"
#include "server/access/object_facts.hpp"
#include "server/access/readers.hpp"
#include "server/feed/position.hpp"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace walcast {

/// What the judge asks the database, all of it in one snapshot.
struct access_query {
    std::uint64_t number = 0;
    std::vector<uuid_text> origins; ///< users whose rows of materialized_permissions are wanted
    std::vector<uuid_text> objects; ///< whose facts are wanted; of a container, its requests too; of a
                                    ///< content_key, the collections
    bool hidden = false;            ///< trashed_groups and frozen_groups
    bool waits = false;             ///< nothing stands still until the answer
    unsigned attempt = 0;
};

/// The answer. What was asked for and is not in it does not exist.
struct access_answer {
    std::uint64_t number = 0;
    /// `pg_current_snapshot()` of the snapshot that all was read in, and the end of the log just after it was
    /// taken: whatever the snapshot shows ends at or before it.
    std::string snapshot;
    lsn as_of;
    std::vector<grant_rows> origins;
    std::vector<std::pair<uuid_text, object_facts>> objects;
    /// Of each container and content_key; their facts are among `objects`.
    std::vector<std::pair<uuid_text, std::vector<uuid_text>>> linked;
    hidden_groups hidden;
};

} // namespace walcast
