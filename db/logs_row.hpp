#pragma once

#include "server/feed/transaction.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <pqxx/pqxx>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace walcast {

/// The columns of `logs` that leave the database, in the order of logs_relation(): the select list of every
/// query that reads events. (What replication sends is decided by the publication.)
inline constexpr std::string_view logs_columns =
    "id, uuid, owner_uuid, object_uuid, object_owner_uuid, event_type, event_at, created_at, properties";

/// The shape of these rows; one object for the life of the process, as downstream keys caches by it.
[[nodiscard]] const relation_ptr &logs_relation();

/// One row, selected with logs_columns, as a transaction of one insert. `commit` orders it.
[[nodiscard]] transaction_ptr to_transaction(const pqxx::row &of, lsn commit, std::int64_t at_us);
/// The same of a row in libpq's text form, whose time is when it was created.
[[nodiscard]] transaction_ptr to_transaction(const std::vector<std::optional<std::string>> &of, lsn commit);

/// A query for the first of the rows that `rows` selects: logs_columns, and `n` to order them by. A row can
/// be many megabytes, and libpq takes in the whole of an answer; so there are no more than have 8 MiB
/// together, and the one that goes beyond. Lengths are known without reading what they are of. The last
/// column says how many rows `rows` has.
[[nodiscard]] std::string select_page(std::string_view rows);
/// The same for the rows with these ids that exist, in this order.
[[nodiscard]] std::string select_page_by_id(std::span<const std::int64_t> ids);

/// What one such query brought.
struct page_extent {
    std::size_t taken = 0; ///< rows that came
    std::size_t found = 0; ///< rows that there are
    std::int64_t last = 0; ///< the id of the last row that came

    [[nodiscard]] bool cut() const { return taken < found; }
    /// How many of the ids that were asked for are answered: a row that did not come, and stands before the
    /// cut, does not exist.
    [[nodiscard]] std::size_t answers(std::span<const std::int64_t> ids) const;
};
[[nodiscard]] page_extent extent_of(const pqxx::result &page);
[[nodiscard]] page_extent extent_of(const std::vector<std::vector<std::optional<std::string>>> &page);

/// `{1,2,3}`: an int8[] as PostgreSQL reads it.
template <class Range>
[[nodiscard]] std::string array_literal(const Range &ids) {
    std::string made = "{";
    for (const auto id : ids) {
        if (made.size() > 1)
            made += ',';
        made += std::to_string(static_cast<std::int64_t>(id));
    }
    return made += '}';
}

} // namespace walcast
