#pragma once

#include "server/feed/batch.hpp"
#include "server/feed/visibility.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

namespace walcast {

/// What is held until it is visible on the primary, for /status.json and metrics.
struct held_status {
    std::uint64_t transactions = 0; ///< held now, those behind an invisible one included
    std::uint64_t bytes = 0;        ///< their memory
    std::int64_t oldest_us = 0;     ///< how long the first of them has been waited for
    std::uint64_t waits = 0;        ///< transactions that were not visible when their turn came
    std::int64_t waited_us = 0;     ///< how long all of these took together
};

/// Batches in order, let go as far as what is in them can be seen: Walcast.WaitVisible. Pure: fed with
/// snapshots and times.
///
/// A commit is in the log before it is visible, and for as long as a synchronous standby stalls. What is
/// behind such a transaction waits too, visible or not, as the order is that of the commits. A batch is let
/// go in part if it has to be.
class held_batches {
  public:
    void add(batch next);
    /// What can be seen in a snapshot that was taken after it came. `now_us`: any clock that does not go
    /// back.
    [[nodiscard]] std::vector<batch> release(const visibility &seen, std::int64_t now_us);

    [[nodiscard]] bool empty() const { return held_.empty(); }
    [[nodiscard]] std::size_t bytes() const { return bytes_; }
    [[nodiscard]] held_status status(std::int64_t now_us) const;
    /// What may be confirmed to the slot of what has been read: nothing that is held.
    [[nodiscard]] lsn let_go(lsn decoded) const {
        return held_.empty() ? decoded : decoded < passed_ ? decoded : passed_;
    }

  private:
    [[nodiscard]] batch split(batch &from, std::size_t count);
    void note_waiting(std::int64_t now_us);
    void note_visible(std::int64_t now_us);

    std::deque<batch> held_;
    std::size_t bytes_ = 0;
    std::uint64_t transactions_ = 0;
    lsn passed_;         ///< everything up to here has been let go
    bool ready_ = false; ///< of what was let go last
    bool waiting_ = false;
    std::int64_t since_us_ = 0; ///< when the first transaction was found invisible
    std::uint64_t waits_ = 0;
    std::int64_t waited_us_ = 0;
};

} // namespace walcast
