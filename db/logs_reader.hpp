#pragma once

#include "server/feed/transaction.hpp"

#include <cstdint>
#include <pqxx/pqxx>
#include <vector>

namespace walcast {

/// Rows of `logs` for clients that the feed does not reach back to. Blocking; run on the query pool.
struct log_page {
    std::vector<transaction_ptr> rows;
    bool more = false;
    std::int64_t last = 0;
    bool exists = false; ///< the row `after` is in the table
    lsn as_of;           ///< the log's end when the query had its snapshot
};

/// The rows with these ids that still exist, in the order of `ids`. With `more`, what comes after the id
/// `last` was left out, because the rows are large: ask for it again.
[[nodiscard]] log_page read_logs(pqxx::connection_base &on, const std::vector<std::int64_t> &ids);

/// Rows with ids over `after`, in the order of ids. With `window_us` not zero only from the first id that was
/// created so recently on: that bounds what a client that asks for everything costs. The window does not
/// count when the row `after` is less than a day old: then a client comes back to where it was, and is to
/// lose nothing.
[[nodiscard]] log_page scan_logs(pqxx::connection_base &on, std::int64_t after, std::int64_t window_us,
                                 std::uint32_t limit);

} // namespace walcast
