#pragma once

#include "tests/bench/log_rows.hpp"

#include <atomic>
#include <cstdint>
#include <exception>
#include <semaphore>
#include <string>
#include <thread>

namespace walcast::bench {

/// Commits on its own thread, so that the sessions are read while the commit is still on its way back. The
/// caller asks for a round with go() and, when the events have come, takes its end with finished().
class round_writer {
  public:
    explicit round_writer(const std::string &connection)
        : writer_{connection}
        , thread_{[this](std::stop_token stop) { run(stop); }} {}

    ~round_writer() {
        thread_.request_stop();
        wanted_.release();
    }

    void go(int rows) {
        rows_ = rows;
        wanted_.release();
    }

    /// Whether the commit has failed; finished() throws why.
    [[nodiscard]] bool failed() const { return failed_; }

    /// Waits for the commit to return. Returns the nanoseconds that it took.
    std::uint64_t finished() {
        done_.acquire();
        if (error_)
            std::rethrow_exception(error_);
        return took_ns_;
    }

    /// The id of the last row, valid after finished().
    [[nodiscard]] std::int64_t last_id() const { return last_id_; }

  private:
    void run(const std::stop_token &stop) {
        for (;;) {
            wanted_.acquire();
            if (stop.stop_requested())
                return;
            const std::uint64_t begin = now_ns();
            try {
                last_id_ = writer_.commit(rows_);
            } catch (...) {
                error_ = std::current_exception();
                failed_ = true;
            }
            took_ns_ = now_ns() - begin;
            done_.release();
        }
    }

    event_writer writer_;
    std::binary_semaphore wanted_{0}; // orders rows_ from the caller to the thread
    std::binary_semaphore done_{0};   // orders the results from the thread to the caller
    int rows_ = 0;
    std::int64_t last_id_ = 0;
    std::uint64_t took_ns_ = 0;
    std::exception_ptr error_;
    std::atomic<bool> failed_{false};
    std::jthread thread_;
};

} // namespace walcast::bench
