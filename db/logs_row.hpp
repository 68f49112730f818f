#pragma once

#include "server/feed/transaction.hpp"

#include <cstdint>
#include <optional>
#include <pqxx/pqxx>
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
