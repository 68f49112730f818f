#pragma once

#include "db/event_memory.hpp"
#include "db/source.hpp"
#include "db/stall_guard.hpp"
#include "server/ops/log.hpp"

#include <atomic>
#include <functional>
#include <mutex>
#include <pqxx/pqxx>
#include <span>
#include <string>
#include <thread>
#include <vector>

namespace walcast {

struct listen_options {
    std::string connection; ///< libpq parameters
    std::string reason;     ///< why not the slot
    std::string memory;     ///< the file of event_memory; empty: none
};

/// The source for databases that cannot be read through a slot: LISTEN on `logs`, and one SELECT per wake-up.
///
/// A blocking thread: wait for the socket, take all notifications that are there, read their rows at once,
/// hand them over in the order of the notifications, which is that of the commits. PostgreSQL sends no
/// notification to who is not connected, so after a reconnect the table is scanned for rows that were never
/// handed over, ids that are lower than those already seen included: a row gets its id long before it is
/// committed. Positions are made up (there are none in notifications): they count up from the log's end at
/// the last scan.
class listen_source : public source {
  public:
    listen_source(listen_options options, batch_sink sink, std::function<bool()> overloaded, logger &log);
    ~listen_source() override;

    void start() override;
    void stop() override;
    [[nodiscard]] source_status status() const override;
    void resume() override { wake(); }
    void request_position(lsn target) override;

  private:
    class id_receiver;
    /// What a look at the table found.
    struct sight {
        lsn as_of; ///< of the log; all before it was seen
        std::vector<std::int64_t> missed;
    };

    void run();
    /// One connection's life; throws what libpqxx throws.
    void listen();
    /// Waits until the database or wake() has something; false if the connection must be checked.
    bool wait(int socket);
    /// Throws when the connection is dead.
    void check(pqxx::connection_base &on);
    void wake() const;
    /// The first connection of the process: refills the feed with what was handed over before it, in that
    /// order.
    void begin(pqxx::connection_base &on);
    /// The rows above the floor that were not handed over, in the order of ids.
    [[nodiscard]] sight look(pqxx::connection_base &on);
    /// Hands over all that is committed now, in the order of the commits.
    void catch_up(pqxx::connection_base &on, id_receiver &receiver);
    void hand_over(pqxx::connection_base &on, const sight &found);
    /// Hands over the rows that were not yet.
    void fetch(pqxx::connection_base &on, const std::vector<std::int64_t> &ids);
    /// Reads the first of these rows, and hands them over in this order. Returns how many ids that deals
    /// with.
    [[nodiscard]] std::ptrdiff_t read_rows(pqxx::connection_base &on, std::span<const std::int64_t> ids);
    void hand_over(batch next);
    void report(std::string state, std::string problem = {});

    listen_options options_;
    batch_sink sink_;
    std::function<bool()> overloaded_;
    logger &log_;
    int wake_fd_; ///< an eventfd
    stall_guard guard_;
    event_memory memory_;
    std::vector<std::int64_t> refill_; ///< handed over by an earlier process, and not yet read again
    bool ready_ = false;               ///< the feed is refilled
    lsn last_;                         ///< the position given out last
    std::atomic<std::uint64_t> target_{0};
    std::atomic<bool> stopping_{false};
    std::thread thread_;
    mutable std::mutex status_mutex_; ///< guards status_
    source_status status_;
};

} // namespace walcast
