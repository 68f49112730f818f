#include "tests/support/wait_for.hpp"

#include <atomic>
#include <csignal>
#include <doctest/doctest.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

using namespace walcast;
using namespace std::chrono_literals;

namespace {

std::atomic<int> rung{0};

/// Interrupts the thread that made it, every 5 ms; system calls are not restarted.
class alarm_clock {
  public:
    alarm_clock() {
        rung = 0;
        struct sigaction handler {};
        handler.sa_handler = [](int) { ++rung; };
        REQUIRE(::sigaction(SIGALRM, &handler, &before_) == 0);
        ringer_ = std::thread([this, sleeper = ::pthread_self()] {
            while (!stopped_) {
                std::this_thread::sleep_for(5ms);
                ::pthread_kill(sleeper, SIGALRM);
            }
        });
    }
    ~alarm_clock() {
        stopped_ = true;
        ringer_.join();
        ::sigaction(SIGALRM, &before_, nullptr);
    }
    alarm_clock(const alarm_clock &) = delete;
    alarm_clock &operator=(const alarm_clock &) = delete;

  private:
    struct sigaction before_ {};
    std::atomic<bool> stopped_{false};
    std::thread ringer_;
};

struct pair {
    pair() { REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0); }
    ~pair() {
        ::close(ends[0]);
        ::close(ends[1]);
    }
    int ends[2]{};
};

} // namespace

TEST_CASE("signals do not shorten a wait") {
    const pair sockets;
    const alarm_clock ringing;
    const auto begin = std::chrono::steady_clock::now();
    CHECK_FALSE(wait_for(sockets.ends[0], POLLIN, 100ms));
    CHECK(std::chrono::steady_clock::now() - begin >= 100ms);
    CHECK(rung > 0);
}

TEST_CASE("what comes after a signal ends a wait") {
    const pair sockets;
    const alarm_clock ringing;
    std::thread late([&] {
        while (rung < 3)
            std::this_thread::sleep_for(1ms);
        ::shutdown(sockets.ends[1], SHUT_WR);
    });
    CHECK(wait_for(sockets.ends[0], POLLIN, 60s));
    late.join();
    CHECK(rung >= 3);
}
