#pragma once

#include "db/held_batches.hpp"
#include "server/feed/batch.hpp"
#include "server/feed/position.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace walcast {

/// libpq parameters of the connection that a source lives on. Dead peers are noticed by the kernel, also
/// while we only send or only wait; and values come in the one form that the decoders know, whatever the
/// database's defaults are: see known_forms in db/connection.hpp.
inline constexpr const char *source_parameters =
    " application_name=walcast keepalives=1 keepalives_idle=10 keepalives_interval=5 keepalives_count=3"
    " tcp_user_timeout=30000 options='-c datestyle=ISO -c intervalstyle=postgres -c timezone=UTC"
    " -c extra_float_digits=1 -c bytea_output=hex -c client_encoding=UTF8'";

/// Transactions that are read while they are in progress (Walcast.StreamTransactions).
struct stream_status {
    std::uint64_t in_progress = 0;   ///< begun and not yet ended
    std::uint64_t aborted = 0;       ///< of all that have begun
    std::uint64_t memory_bytes = 0;  ///< what they hold in memory
    std::uint64_t disk_bytes = 0;    ///< what they hold in spill files
    std::uint64_t spilled_bytes = 0; ///< written to spill files so far
    std::uint64_t disk_full = 0;     ///< how often the disk took nothing
    bool waiting = false;            ///< it takes nothing now, so nothing is read
};

/// How a source is doing, for /status.json, metrics and health.
struct source_status {
    std::string kind;    ///< "slot" or "listener"
    std::string reason;  ///< why this kind, when it is not what was hoped for
    std::string state;   ///< "connecting", "standby", "making the slot", "catching up", "refilling",
                         ///< "streaming", "waiting for the disk", "stopped"
    std::string problem; ///< what last went wrong, empty while all is well
    std::string system_identifier;
    std::uint32_t timeline = 0;
    lsn decoded;   ///< read so far
    lsn log_end;   ///< of the server's log, as last heard
    lsn confirmed; ///< what the slot may forget
    std::uint64_t transactions = 0;
    std::uint64_t changes = 0;
    std::uint64_t reconnects = 0;
    std::uint64_t slots_lost = 0;
    std::uint64_t epoch = 0;     ///< slots made again
    std::uint64_t caught_up = 0; ///< events read from the table because no slot, and nobody, was there
    std::optional<std::uint64_t> slot_keep_bytes; ///< max_slot_wal_keep_size; nothing if unlimited
    stream_status streams;
    held_status held;     ///< with Walcast.WaitVisible
    bool ready = false;   ///< the feed has been refilled
    bool standby = false; ///< another relay reads the slot, and has for a while
};

/// Where transactions come from. A source has a thread of its own and calls its sink on it, in commit order.
class source {
  public:
    virtual ~source() = default;

    virtual void start() = 0;
    /// Confirms what may be confirmed, and ends the thread. Harmless twice.
    virtual void stop() = 0;

    // From any thread:
    [[nodiscard]] virtual source_status status() const = 0;
    /// The sink's receivers have caught up: go on if they were overloaded.
    virtual void resume() = 0;
    /// Asks for a batch, possibly empty, whose `decoded` is `target` or later, soon: everything that a query
    /// which began before this call could see has then been handed over.
    virtual void request_position(lsn target) = 0;
};

/// Full jitter: a delay of up to `floor` doubled for each failed attempt, at most `ceiling`, drawn uniformly,
/// so that many relays do not come back in step.
class backoff {
  public:
    backoff(std::chrono::milliseconds floor, std::chrono::milliseconds ceiling)
        : floor_(floor)
        , ceiling_(ceiling) {}

    [[nodiscard]] std::chrono::milliseconds next();
    void reset() { attempts_ = 0; }

  private:
    std::chrono::milliseconds floor_;
    std::chrono::milliseconds ceiling_;
    unsigned attempts_ = 0;
};

} // namespace walcast
