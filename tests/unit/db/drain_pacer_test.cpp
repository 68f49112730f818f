#include "db/drain_pacer.hpp"

#include <doctest/doctest.h>

using namespace walcast;
using namespace std::chrono_literals;

TEST_CASE("a stream that is not dense is never slowed down") {
    drain_pacer pacer;
    auto now = drain_pacer::clock::time_point(1h);
    for (int times = 0; times < 1'000; ++times, now += 500us)
        CHECK_FALSE(pacer.drained(now));
}

TEST_CASE("a dense stream is, after a run, for as long as it lasts") {
    drain_pacer pacer;
    auto now = drain_pacer::clock::time_point(1h);
    for (unsigned times = 0; times < drain_pacer::run; ++times, now += 20us)
        CHECK_FALSE(pacer.drained(now));
    for (int times = 0; times < 100; ++times, now += drain_pacer::breath + 80us)
        CHECK(pacer.drained(now));
    now += 5ms;
    CHECK_FALSE(pacer.drained(now));
    CHECK_FALSE(pacer.drained(now + 20us));
}
