#pragma once

#include "server/feed/transaction.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace walcast {

/// What one drain of a source brings: transactions in commit order, and how far the source has read.
struct batch {
    std::vector<transaction_ptr> transactions;
    lsn decoded; ///< every commit up to here is in this or an earlier batch
    /// Grows when the slot was made again: changes are missing between, and if `decoded` is lower than
    /// before, positions have begun anew.
    std::uint64_t epoch = 0;
    bool ready = false;    ///< the source has caught up with where the log ended when it started
    bool exact = false;    ///< the source brings the changes of all tables, not only rows of logs
    std::size_t bytes = 0; ///< memory of the transactions, for back-pressure

    [[nodiscard]] bool empty() const { return transactions.empty(); }
};

/// Where a source puts its batches; called on the source's thread.
using batch_sink = std::function<void(batch)>;

} // namespace walcast
