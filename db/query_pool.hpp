#pragma once

#include "db/source.hpp"
#include "db/stall_guard.hpp"
#include "server/ops/log.hpp"

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <pqxx/pqxx>
#include <string>
#include <thread>
#include <vector>

namespace walcast {

/// A few threads, each with a libpqxx connection of its own, that run blocking queries for others.
///
/// A job whose connection breaks is tried again, with back-off, until it succeeds: a database that is away
/// delays answers and fails none. So does a connection on which an answer does not come in time. A job that
/// fails for another reason (an SQL error) is answered by its `failed` and logged, the same reason once in a
/// while: who needs the answer asks again. Jobs still queued at
/// stop() are dropped.
class query_pool {
  public:
    using job = std::function<void(pqxx::connection_base &)>;

    query_pool(std::string connection, unsigned threads, logger &log);
    ~query_pool();
    query_pool(const query_pool &) = delete;
    query_pool &operator=(const query_pool &) = delete;

    /// From any thread. `run` answers from a thread of the pool.
    void submit(job run, std::function<void()> failed);
    /// Runs at most once: an answer that is worth having now or not at all. `failed` gets the problem in one
    /// line.
    void submit_once(job run, std::function<void(std::string)> failed);
    void stop();

    /// Connections that are open: working, and idle.
    struct usage {
        unsigned busy;
        unsigned idle;
    };
    [[nodiscard]] usage connections() const;

  private:
    struct entry {
        job run;
        std::function<void(std::string)> failed;
        bool once = false;
    };

    void work();
    void complain(const std::string &problem);

    std::string connection_;
    logger &log_;
    stall_guard guard_;
    mutable std::mutex mutex_; ///< guards what follows
    std::condition_variable wake_;
    std::deque<entry> jobs_;
    bool stopping_ = false;
    usage usage_{0, 0};
    std::string said_; ///< the problem that was logged last
    std::chrono::steady_clock::time_point said_at_;
    std::vector<std::thread> threads_;
};

} // namespace walcast
