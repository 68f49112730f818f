#include "server/feed/feed.hpp"

#include <doctest/doctest.h>
#include <string>

using namespace walcast;

namespace {
transaction_ptr commit_at(std::uint64_t where, std::int64_t at_us, std::size_t bytes = 10) {
    transaction_builder builder;
    builder.begin(1, lsn{where}, at_us);
    builder.add_message("walcast", std::string(bytes, 'x'));
    return builder.finish(lsn{where + 5});
}
} // namespace

TEST_CASE("segments keep their numbers while old ones are dropped") {
    feed run({1 << 20, 100});
    for (std::uint64_t at = 1; at <= 5; ++at)
        run.append(commit_at(at * 10, static_cast<std::int64_t>(at) * 50));
    CHECK(run.first() == 0);
    run.trim(300); // what was committed before 200 is too old
    CHECK(run.first() == 3);
    CHECK(run.end() == 5);
    CHECK_FALSE(run.holds(2));
    CHECK(run[3]->commit() == lsn{40});
    CHECK(run.decoded() == lsn{55});
}

TEST_CASE("bytes are bounded, but the newest segment stays") {
    feed run({10'000, 1'000'000});
    for (std::uint64_t at = 1; at <= 50; ++at)
        run.append(commit_at(at, 0, 1'000));
    run.trim(0);
    CHECK(run.bytes() <= 10'000);
    run.append(commit_at(100, 0, 1 << 20));
    run.trim(0);
    CHECK(run.end() - run.first() == 1);
}

TEST_CASE("the decoded position never goes back") {
    feed run({1 << 20, 100});
    run.decoded(lsn{70});
    run.append(commit_at(10, 0));
    CHECK(run.decoded() == lsn{70});
}
