#pragma once

#include <chrono>
#include <condition_variable>
#include <list>
#include <mutex>
#include <thread>

namespace walcast {

/// Ends blocking queries whose answer does not come.
///
/// libpq waits for an answer for as long as the connection lives, and TCP keeps a connection alive on which
/// the other side has stopped, or something between has swallowed what was said. So a query is watched while
/// it runs, and past its time its socket is shut down: libpq then reports a broken connection to the thread
/// that waits. Works on a duplicate of the descriptor, so that it can never hit another connection that got
/// the same number. From any thread.
class stall_guard {
  public:
    stall_guard();
    ~stall_guard();
    stall_guard(const stall_guard &) = delete;
    stall_guard &operator=(const stall_guard &) = delete;

    /// While it exists, this socket has to be done within the limit.
    class watch {
      public:
        watch(stall_guard &by, int socket, std::chrono::milliseconds limit);
        ~watch();
        watch(const watch &) = delete;
        watch &operator=(const watch &) = delete;

      private:
        friend class stall_guard;
        stall_guard &by_;
        int duplicate_;
        std::list<watch *>::iterator place_;
        std::chrono::steady_clock::time_point until_;
    };

  private:
    void run();

    std::mutex mutex_; ///< guards what follows
    std::condition_variable wake_;
    std::list<watch *> watched_;
    bool stopping_ = false;
    std::thread thread_;
};

} // namespace walcast
