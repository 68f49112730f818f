#include "server/session/event_journal.hpp"

#include <doctest/doctest.h>
#include <string>

using namespace walcast;

TEST_CASE("entries keep their numbers, and the oldest are forgotten with their ids") {
    event_journal journal(3, 1 << 20);
    for (std::int64_t id = 10; id < 15; ++id)
        journal.append(static_cast<std::uint64_t>(id), 0, log_id{id});
    CHECK(journal.first() == 2);
    CHECK(journal.end() == 5);
    CHECK_FALSE(journal.find(log_id{11}));
    CHECK(journal.find(log_id{12}) == 2);
    CHECK(journal[4].segment == 14);
}

TEST_CASE("encoded frames are kept up to their bytes, the newest always") {
    event_journal journal(100, 1'000);
    for (std::int64_t id = 0; id < 10; ++id) {
        journal.append(0, 0, log_id{id});
        journal.keep_frame(static_cast<std::uint64_t>(id), make_frame(std::string(400, 'x')));
    }
    CHECK(static_cast<bool>(journal[9].frame));
    CHECK(static_cast<bool>(journal[8].frame));
    CHECK_FALSE(static_cast<bool>(journal[7].frame));
    journal.append(0, 0, log_id{10});
    journal.keep_frame(10, make_frame(std::string(5'000, 'x')));
    CHECK(static_cast<bool>(journal[10].frame));
    CHECK_FALSE(static_cast<bool>(journal[9].frame));
}
