#include "server/feed/visibility.hpp"

#include <doctest/doctest.h>

using namespace walcast;

TEST_CASE("which transactions a snapshot sees") {
    const auto seen = visibility::parse("100:105:101,103");
    REQUIRE(seen);
    CHECK(seen->sees(99));
    CHECK(seen->sees(100));
    CHECK_FALSE(seen->sees(101));
    CHECK(seen->sees(102));
    CHECK_FALSE(seen->sees(103));
    CHECK(seen->sees(104));
    CHECK_FALSE(seen->sees(105));
    CHECK_FALSE(seen->sees(200));
}

TEST_CASE("numbers of transactions wrap around after four thousand million") {
    // 2^32 + 10 and 2^32 - 5: the stream has the lower 32 bits
    const auto seen = visibility::parse("4294967291:4294967306:4294967300");
    REQUIRE(seen);
    CHECK(seen->sees(4294967290U));
    CHECK(seen->sees(4294967295U));
    CHECK(seen->sees(3));
    CHECK_FALSE(seen->sees(4));
    CHECK_FALSE(seen->sees(10));
}

TEST_CASE("what is no snapshot") {
    for (const auto *text : {"", "1", "1:2", "a:b:", "1:2:x", "1:2:3,,4", "-1:2:"})
        CHECK_FALSE_MESSAGE(visibility::parse(text), text);
    CHECK(visibility::parse("1:2:"));
}
