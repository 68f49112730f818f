#pragma once

#include "server/feed/position.hpp"

#include <cstdint>
#include <deque>

namespace walcast {

/// Decides what may be confirmed to the slot: everything but the recent past, so that a relay that restarts
/// finds the recent past in the slot again and refills its feed from it. Pure: fed with positions and times,
/// sees no connection.
///
/// The recent past is bounded by age and by bytes of WAL, whichever is reached first: a slot must never hold
/// back more of the database's log than it is allowed. Within the bytes it also keeps, however old, what is
/// not known to be visible to queries: a commit that waits for a synchronous standby must be in the stream of
/// the relay that starts next, whose snapshots may not see it. Remembers one mark per second of commits.
class retention {
  public:
    struct limits {
        std::uint64_t wal_bytes;
        std::int64_t age_us;
    };

    explicit retention(limits bounds)
        : bounds_(bounds) {}

    void bounds(limits to) { bounds_ = to; }
    [[nodiscard]] std::uint64_t most_wal_bytes() const { return bounds_.wal_bytes; }
    /// The slot begins here: what is held back is counted from this position on.
    void begin(lsn slot_begin) { due_ = confirmed_ = slot_begin > confirmed_ ? slot_begin : confirmed_; }

    /// A transaction ends at `end` and was committed at that time (microseconds since 1970). In commit order.
    void committed(lsn end, std::int64_t at_us);

    /// The position to confirm, given how far has been decoded: what ended before the oldest transaction that
    /// is kept. With nothing kept it is `decoded` itself, so an idle database is not held back. Never goes
    /// back. What was committed before `settled` is visible to queries.
    [[nodiscard]] lsn confirm(lsn decoded, std::int64_t now_us, lsn settled = {~std::uint64_t{0}});

  private:
    struct mark {
        lsn end;            ///< of the last transaction of this second
        std::int64_t at_us; ///< when the first of them was committed
    };

    limits bounds_;
    std::deque<mark> kept_;
    lsn last_; ///< the end of the newest transaction
    lsn due_;  ///< what age and bytes let go
    lsn confirmed_;
};

} // namespace walcast
