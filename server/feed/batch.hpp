#pragma once

#include "server/feed/transaction.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace walcast {

/// Where a stream comes from and how far back it reaches: what resume tokens are held against.
struct stream_origin {
    std::uint64_t system_identifier = 0; ///< of the database cluster; 0: positions mean nothing
    std::uint32_t timeline = 0;
    lsn begins;             ///< every commit whose record begins here or later is in the stream
    bool made_anew = false; ///< the slot is not the first one: what is before `begins` is in no stream
};

/// What one drain of a source brings: transactions in commit order, and how far the source has read.
struct batch {
    std::vector<transaction_ptr> transactions;
    lsn decoded; ///< every commit up to here is in this or an earlier batch
    /// Grows when the slot was made again: changes are missing between, and if `decoded` is lower than
    /// before, positions have begun anew.
    std::uint64_t epoch = 0;
    bool ready = false; ///< the source has caught up with where the log ended when it started
    bool exact = false; ///< the source brings the changes of all tables, not only rows of logs
    stream_origin origin;
    std::size_t bytes = 0; ///< memory of the transactions, for back-pressure

    [[nodiscard]] bool empty() const { return transactions.empty(); }
};

/// Where a source puts its batches; called on the source's thread.
using batch_sink = std::function<void(batch)>;

} // namespace walcast
