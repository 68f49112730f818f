#include "db/stall_guard.hpp"

#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

namespace walcast {

using namespace std::chrono_literals;

namespace {
constexpr auto look_interval = 500ms;
} // namespace

stall_guard::stall_guard()
    : thread_([this] {
        ::pthread_setname_np(::pthread_self(), "walcast-guard");
        run();
    }) {}

stall_guard::~stall_guard() {
    {
        const std::scoped_lock lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_all();
    thread_.join();
}

void stall_guard::run() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
        if (watched_.empty()) // a guard with nothing to do sleeps
            wake_.wait(lock);
        else
            wake_.wait_for(lock, look_interval);
        const auto now = std::chrono::steady_clock::now();
        for (const auto *one : watched_)
            if (now > one->until_ && one->duplicate_ >= 0)
                ::shutdown(one->duplicate_, SHUT_RDWR);
    }
}

stall_guard::watch::watch(stall_guard &by, int socket, std::chrono::milliseconds limit)
    : by_(by)
    , duplicate_(socket < 0 ? -1 : ::fcntl(socket, F_DUPFD_CLOEXEC, 0))
    , until_(std::chrono::steady_clock::now() + limit) {
    const std::scoped_lock lock(by_.mutex_);
    place_ = by_.watched_.insert(by_.watched_.end(), this);
    if (by_.watched_.size() == 1)
        by_.wake_.notify_all();
}

stall_guard::watch::~watch() {
    {
        const std::scoped_lock lock(by_.mutex_);
        by_.watched_.erase(place_);
    }
    if (duplicate_ >= 0)
        ::close(duplicate_);
}

} // namespace walcast
