#include "db/id_set.hpp"

#include <doctest/doctest.h>
#include <random>
#include <set>

using namespace walcast;

TEST_CASE("a run of ids is one run, in whatever order they come") {
    id_set ids;
    for (const auto id : {5, 1, 3, 2, 4})
        CHECK(ids.insert(id));
    CHECK(ids.runs() == 1);
    CHECK_FALSE(ids.insert(3));
    CHECK(ids.greatest() == 5);
    CHECK_FALSE(ids.contains(6));
    ids.forget(2);
    CHECK_FALSE(ids.contains(2));
    CHECK(ids.contains(3));
    CHECK(ids.greatest() == 5);
}

TEST_CASE("it says what a plain set says") {
    std::mt19937 random(7);
    id_set ids;
    std::set<std::int64_t> plain;
    for (int round = 0; round < 20'000; ++round) {
        const auto id = static_cast<std::int64_t>(random() % 500);
        CHECK(ids.insert(id) == plain.insert(id).second);
        const auto asked = static_cast<std::int64_t>(random() % 500);
        CHECK(ids.contains(asked) == plain.contains(asked));
        if (random() % 1000 == 0) {
            const auto floor = static_cast<std::int64_t>(random() % 300);
            ids.forget(floor);
            plain.erase(plain.begin(), plain.upper_bound(floor));
        }
    }
}
