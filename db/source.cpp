#include "db/source.hpp"

#include <algorithm>
#include <random>

namespace walcast {

std::chrono::milliseconds backoff::next() {
    constexpr unsigned most_doublings = 20;
    const auto top = std::min(ceiling_, floor_ * (1L << std::min(attempts_, most_doublings)));
    ++attempts_;
    thread_local std::minstd_rand random{std::random_device{}()};
    std::uniform_int_distribution<std::int64_t> any(1, std::max<std::int64_t>(1, top.count()));
    return std::chrono::milliseconds(any(random));
}

} // namespace walcast
