#include "db/stall_guard.hpp"

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace walcast;
using namespace std::chrono_literals;

namespace {

struct pair {
    pair() { REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0); }
    ~pair() {
        ::close(ends[0]);
        ::close(ends[1]);
    }
    int ends[2]{};
};

/// Whether a read on this end comes back within the time.
bool ends_within(int socket, std::chrono::milliseconds limit) {
    pollfd watched{socket, POLLIN, 0};
    return ::poll(&watched, 1, static_cast<int>(limit.count())) > 0;
}

} // namespace

TEST_CASE("a wait that takes too long is ended, and others are not") {
    stall_guard guard;
    pair stalled, fine, done;
    { const stall_guard::watch over(guard, done.ends[0], 50ms); }
    const stall_guard::watch first(guard, stalled.ends[0], 100ms);
    const stall_guard::watch second(guard, fine.ends[0], 60s);
    CHECK(ends_within(stalled.ends[0], 5s));
    CHECK_FALSE(ends_within(fine.ends[0], 200ms));
    CHECK_FALSE(ends_within(done.ends[0], 0ms));
}
