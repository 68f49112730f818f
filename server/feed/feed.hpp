#pragma once

#include "server/feed/transaction.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>

namespace walcast {

/// The ordered, bounded, in-memory run of recent transactions.
///
/// Each shard has a feed of its own, filled by the one source in the one order; the transactions are shared
/// and immutable, so a shard reads without locks and the second copy costs a pointer. Segments are numbered
/// without gaps from 0; the number of a segment is what cursors hold. Old ones are dropped from the front
/// when the run is over its bytes or its age; a cursor below `first()` has been overtaken.
class feed {
  public:
    struct limits {
        std::size_t bytes;
        std::int64_t
            age_us; ///< by commit time, so that a feed refilled after a restart keeps what it kept before
    };

    explicit feed(limits bounds)
        : bounds_(bounds) {}

    /// Appends a segment; within an epoch `next->commit()` must not be below the newest one's.
    void append(transaction_ptr next);

    /// Drops what is over the bounds at this time (microseconds since 1970). The newest segment always stays.
    void trim(std::int64_t now_us);

    [[nodiscard]] std::uint64_t first() const { return first_; }
    [[nodiscard]] std::uint64_t end() const { return first_ + run_.size(); }
    [[nodiscard]] bool holds(std::uint64_t number) const { return number >= first_ && number < end(); }
    [[nodiscard]] const transaction_ptr &operator[](std::uint64_t number) const {
        return run_[number - first_];
    }
    [[nodiscard]] std::size_t bytes() const { return bytes_; }

    /// Everything committed up to here is in the feed or was; nothing before it can still arrive.
    [[nodiscard]] lsn decoded() const { return decoded_; }
    void decoded(lsn up_to);
    /// Positions begin anew, perhaps lower.
    void new_epoch() { decoded_ = {}; }
    /// Every change behind this position that has been decoded is in the feed: whoever has what is before
    /// misses nothing.
    [[nodiscard]] position low_water() const { return low_water_; }
    /// The stream reaches back to commits whose records begin here. Call it when that has changed.
    void begins(lsn at);

  private:
    limits bounds_;
    std::deque<transaction_ptr> run_;
    std::uint64_t first_ = 0;
    std::size_t bytes_ = 0;
    lsn decoded_;
    position low_water_ = end_of({UINT64_MAX}); ///< before begins(): nothing
};

} // namespace walcast
