#include "server/descriptor_limit.hpp"

#include <algorithm>
#include <sys/resource.h>

namespace walcast {

namespace {
/// Standard streams, signals, the source's connection, libpq's look-ups, spill files, log of ids, and as many
/// again.
constexpr std::size_t own = 48;
/// An epoll, a timer, an event, the listening socket, the spare one.
constexpr std::size_t of_a_shard = 5;
} // namespace

void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)::setrlimit(RLIMIT_NOFILE, &limit); // if not, it stays as it was
}

std::size_t descriptor_limit() {
    rlimit limit{};
    return ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : 1024;
}

std::size_t descriptors_for_clients(std::size_t limit, std::size_t shards, std::size_t query_connections,
                                    std::size_t farewells) {
    const auto reserve = own + shards * of_a_shard + query_connections + farewells;
    return std::max(limit > reserve ? limit - reserve : 0, limit / 4);
}

} // namespace walcast
