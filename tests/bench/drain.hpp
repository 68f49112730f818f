#pragma once

#include "tests/bench/child_process.hpp"
#include "tests/bench/slots.hpp"
#include "tests/bench/ws_client.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace walcast::bench {

/// What a drain needs to know of its surroundings; the same for all of them.
struct drain_setup {
    std::string connection; ///< libpq connection string of a superuser, or of a role with REPLICATION
    std::string publication = "walcast";
    std::string slot = "walcast"; ///< the one that the relay's configuration names
    std::uint16_t port = 0;       ///< where the relay listens, on 127.0.0.1
    std::string token;
    std::string management_token;
    std::string pg_bin;
    std::vector<std::string> relay; ///< command that starts the relay
    std::string log_path;           ///< for what the relay and pg_recvlogical say
};

/// A stretch of WAL that lies between a slot and a place, and what is in it.
struct wal_stretch {
    std::string slot; ///< at its beginning; copied, never read itself
    std::string end;  ///< an LSN after all rows and before the commit of one more row of `logs`
    std::int64_t rows = 0;
    std::optional<std::int64_t>
        last_id; ///< of the events, which have consecutive ids; nothing: there are none
};

/// How one reader went through one stretch.
struct drain_result {
    double seconds = 0; ///< from when its sender had the slot to the last row at the end of the reader
    std::optional<double> decoded_seconds; ///< likewise until the relay said that it had decoded all
    double cpu_us_per_row = 0;             ///< of the relay
    double sender_busy = 0;  ///< share of the time that PostgreSQL's sender computed; 1: it was the limit
    double peak_rss_mb = 0;  ///< of the relay
    std::uint64_t wrong = 0; ///< events lost, repeated or out of order
};

/// Lets `pg_recvlogical --start -f /dev/null` read a copy of the slot up to the end.
[[nodiscard]] drain_result drain_by_recvlogical(const drain_setup &setup, slot_admin &slots,
                                                const plugin_options &options, const wal_stretch &stretch);

/// A relay that runs, with sessions that have subscribed, and whose slot was then taken from it.
///
/// The constructor brings it there. WAL that is written from then on waits, and is all new to the sessions:
/// each has to get every event of it once. drain() gives the slot back and watches; the relay is stopped when
/// it returns.
class held_relay {
  public:
    held_relay(const drain_setup &setup, slot_admin &slots, std::size_t sessions);

    /// What the relay asked PostgreSQL's output plugin for.
    [[nodiscard]] const plugin_options &options() const { return options_; }

    /// With events in the stretch its end is the last one's arrival at the first session; without, that the
    /// relay says that it has decoded everything. Throws std::runtime_error when that does not come. Call
    /// once.
    [[nodiscard]] drain_result drain(const wal_stretch &stretch);

  private:
    void connect(std::size_t sessions);
    void subscribe();
    void take_slot();
    void wait_for_events(std::uint64_t wanted);

    const drain_setup &setup_;
    slot_admin &slots_;
    child_process relay_;
    plugin_options options_;
    std::unique_ptr<ws_client_pool> pool_; ///< null without sessions
    std::unique_ptr<slot_hold> hold_;
    pid_t holder_ = 0;
};

} // namespace walcast::bench
