#pragma once

#include "db/held_batches.hpp"
#include "db/source.hpp"
#include "db/stall_guard.hpp"
#include "server/ops/log.hpp"

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <pqxx/pqxx>
#include <string>
#include <thread>

namespace walcast {

/// Stands behind a slot source and holds each transaction until it is visible on the primary
/// (Walcast.WaitVisible), so that who is told of a change can read it.
///
/// A thread of its own asks, through a connection of its own, for a snapshot as long as something is held; it
/// is then the thread on which batches are handed on. Nothing is given up: a transaction that a standby keeps
/// invisible for an hour is held for an hour, with all behind it, which metrics and the log say. When it
/// holds `most_bytes` the source has to stop reading, and the rest waits in the slot. A wait for the standby
/// that is cancelled makes the transaction visible, and so lets it go.
class visibility_gate {
  public:
    /// Held beyond it, the source stops; less than half of it, and it is told to go on.
    static constexpr std::size_t most_bytes = std::size_t{32} << 20;

    visibility_gate(std::string connection, batch_sink sink, std::function<void()> resume, logger &log);
    ~visibility_gate();
    visibility_gate(const visibility_gate &) = delete;
    visibility_gate &operator=(const visibility_gate &) = delete;

    void start();
    /// What is held then is not handed on: it comes from the slot again one day.
    void stop();

    // From any thread:
    void take(batch next);
    [[nodiscard]] bool full() const;
    /// See held_batches::let_go.
    [[nodiscard]] lsn let_go(lsn decoded) const;
    [[nodiscard]] held_status status() const;

  private:
    void run();
    [[nodiscard]] visibility look();
    /// Waits in the log, where people find out why nothing comes.
    void complain(const held_status &now);

    std::string connection_parameters_;
    batch_sink sink_;
    std::function<void()> resume_;
    logger &log_;
    stall_guard guard_;
    std::unique_ptr<pqxx::connection> connection_; ///< of the thread
    bool complained_ = false;
    mutable std::mutex mutex_; ///< guards what follows
    std::condition_variable wake_;
    held_batches held_;
    bool stopping_ = false;
    std::thread thread_;
};

} // namespace walcast
