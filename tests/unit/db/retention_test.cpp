#include "db/retention.hpp"

#include <doctest/doctest.h>

using namespace walcast;

namespace {
constexpr std::int64_t second = 1'000'000;
}

TEST_CASE("an idle database is not held back") {
    retention kept({1'000'000, 60 * second});
    CHECK(kept.confirm(lsn{500}, 0) == lsn{500});
    CHECK(kept.confirm(lsn{900}, 0) == lsn{900});
}

TEST_CASE("what was committed recently is held back, until it is old") {
    retention kept({1'000'000, 60 * second});
    CHECK(kept.confirm(lsn{100}, 10 * second) == lsn{100});
    kept.committed(lsn{200}, 10 * second);
    kept.committed(lsn{300}, 20 * second);
    CHECK(kept.confirm(lsn{400}, 30 * second) == lsn{100});
    CHECK(kept.confirm(lsn{400}, 71 * second) == lsn{200});
    CHECK(kept.confirm(lsn{500}, 81 * second) == lsn{500}); // nothing recent is left
}

TEST_CASE("the budget of bytes wins over age") {
    retention kept({1'000, 3600 * second});
    (void)kept.confirm(lsn{100}, 0);
    for (std::uint64_t at = 0; at < 10; ++at)
        kept.committed(lsn{200 + at * 300}, static_cast<std::int64_t>(at) * second);
    const auto confirmed = kept.confirm(lsn{3'000}, 10 * second);
    CHECK(3'000 - confirmed.value <= 1'000);
    CHECK(confirmed > lsn{1'900});
}

TEST_CASE("a confirmed position never goes back") {
    retention kept({1'000, 60 * second});
    CHECK(kept.confirm(lsn{900}, 0) == lsn{900});
    kept.committed(lsn{950}, 1);
    CHECK(kept.confirm(lsn{940}, 2) == lsn{900});
}

TEST_CASE("what a slot held back before the restart goes on being held back") {
    retention kept({1'000, 60 * second});
    kept.begin(lsn{1'000'000});
    kept.committed(lsn{1'000'100}, 0);
    kept.committed(lsn{1'000'200}, 2 * second);
    CHECK(kept.confirm(lsn{1'000'300}, 3 * second) == lsn{1'000'000});
}

TEST_CASE("what queries may not see yet is held back, however old it is") {
    retention kept({1'000'000, 60 * second});
    (void)kept.confirm(lsn{100}, 0);
    kept.committed(lsn{200}, 0);
    kept.committed(lsn{300}, 2 * second);
    CHECK(kept.confirm(lsn{400}, 900 * second, lsn{150}) == lsn{150}); // the first one stalls
    CHECK(kept.confirm(lsn{400}, 901 * second, lsn{120}) == lsn{150});
    kept.committed(lsn{500}, 901 * second);
    CHECK(kept.confirm(lsn{500}, 902 * second, lsn{450}) == lsn{400}); // age holds back the newest
    CHECK(kept.confirm(lsn{600}, 990 * second, lsn{500}) == lsn{600}); // everything is settled
    CHECK(kept.confirm(lsn{900}, 991 * second, lsn{500}) == lsn{900}); // and there is nothing behind it
}

TEST_CASE("the budget of bytes wins over what queries may not see yet") {
    retention kept({1'000, 0});
    (void)kept.confirm(lsn{100}, 0);
    kept.committed(lsn{200}, 0);
    kept.committed(lsn{900}, 2 * second);
    CHECK(kept.confirm(lsn{950}, 5 * second, lsn{150}) == lsn{150});
    kept.committed(lsn{5'000}, 6 * second);
    CHECK(kept.confirm(lsn{5'000}, 9 * second, lsn{150}) == lsn{4'000});
}
