#pragma once

#include "server/access/grant_set.hpp"
#include "server/access/object_columns.hpp"
#include "server/access/object_facts.hpp"
#include "server/access/uuid_text.hpp"
#include "server/feed/shape_cache.hpp"
#include "server/feed/transaction.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

namespace walcast {

/// A row of materialized_permissions. Level 0: there is none.
struct grant_change {
    uuid_text user;
    uuid_text target;
    grant before;
    grant after;
};

/// A row of trashed_groups; nothing: there is none.
struct trash_change {
    uuid_text group;
    std::optional<std::int64_t> before; ///< microseconds since 1970 UTC
    std::optional<std::int64_t> after;
};

/// A row of frozen_groups.
struct freeze_change {
    uuid_text group;
    bool before;
    bool after;
};

/// A row of a class of objects, as it is now.
struct object_change {
    uuid_text uuid;
    object_facts facts;
};

/// A row of which only the `id` is known is gone.
struct object_gone {
    object_class what;
    std::int64_t row_id;
};

/// What is known of an object, or of a class, is out of date, and what is right is not in the change.
struct object_unknown {
    object_class what;
    uuid_text uuid; ///< empty: all of the class
};

/// A TRUNCATE: no row is left.
struct all_gone {
    enum class table : std::uint8_t { permissions, trashed, frozen };
    table of;
};

using access_change = std::variant<grant_change, trash_change, freeze_change, object_change, object_gone,
                                   object_unknown, all_gone>;

/// Reads out of transactions what changes who may read what: the one place that knows in which tables and
/// columns of Arvados that is. Remembers where each relation has its columns: one per thread.
class access_change_reader {
  public:
    /// Adds to `into`; usually nothing or one.
    void read(const transaction &of, const change &in, std::vector<access_change> &into);

  private:
    enum class followed : std::uint8_t { no, permissions, trashed, frozen, object };
    struct places {
        places() { facts.fill(-1); }

        followed what = followed::no;
        object_class objects = object_class::none;
        int key = -1, target = -1, level = -1, owned = -1, trash_at = -1;
        std::array<int, fact_column_count> facts; ///< by fact_column
    };
    [[nodiscard]] static places look_at(const relation &table);
    void read_object(const transaction &of, const change &in, const places &at,
                     std::vector<access_change> &into) const;

    shape_cache<places> known_;
};

} // namespace walcast
