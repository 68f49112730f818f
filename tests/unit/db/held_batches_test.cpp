#include "db/held_batches.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <string>
#include <vector>

using namespace walcast;

namespace {

/// A transaction with one message, that ends one behind where it commits.
transaction_ptr one(std::uint32_t xid, std::uint64_t at, bool last = true) {
    transaction_builder builder;
    builder.begin(xid, lsn{at}, 0);
    builder.add_message("m", std::to_string(xid));
    return last ? builder.finish(lsn{at + 1}) : builder.cut();
}

batch of(std::vector<transaction_ptr> transactions, std::uint64_t decoded, bool ready = true) {
    batch made;
    for (const auto &each : transactions)
        made.bytes += each->footprint();
    made.transactions = std::move(transactions);
    made.decoded = lsn{decoded};
    made.ready = ready;
    return made;
}

visibility snapshot(std::string_view text) {
    const auto made = visibility::parse(text);
    REQUIRE(made);
    return *made;
}

/// `xid xid@decoded` for each batch that was let go.
std::string told(const std::vector<batch> &batches) {
    std::string made;
    for (const auto &each : batches) {
        for (const auto &part : each.transactions)
            made += fmt::format("{} ", part->xid());
        made += fmt::format("@{} ", each.decoded.value);
    }
    return made;
}

} // namespace

TEST_CASE("what is visible is let go as it came") {
    held_batches held;
    held.add(of({one(10, 100), one(11, 110)}, 120));
    held.add(of({}, 130));
    CHECK(held.let_go(lsn{130}) == lsn{});
    CHECK(told(held.release(snapshot("12:12:"), 0)) == "10 11 @120 @130 ");
    CHECK(held.empty());
    CHECK(held.bytes() == 0);
    CHECK(held.let_go(lsn{140}) == lsn{140});
    CHECK(held.status(50).waits == 0);
}

TEST_CASE("what is not visible holds everything behind it, and lets go what is before") {
    held_batches held;
    held.add(of({one(10, 100), one(11, 110), one(12, 115)}, 120));
    held.add(of({}, 125));
    held.add(of({one(13, 130)}, 140));
    CHECK(told(held.release(snapshot("11:14:11"), 1'000)) == "10 @101 ");
    CHECK(held.let_go(lsn{140}) == lsn{101});
    CHECK(told(held.release(snapshot("11:14:11"), 2'000)).empty());
    auto now = held.status(3'000);
    CHECK(now.transactions == 3);
    CHECK(now.bytes == held.bytes());
    CHECK(now.oldest_us == 2'000);
    CHECK(now.waits == 1);
    CHECK(told(held.release(snapshot("12:14:12"), 5'000)) == "11 @111 "); // now the next one is waited for
    now = held.status(6'000);
    CHECK(now.waits == 2);
    CHECK(now.oldest_us == 1'000);
    CHECK(now.waited_us == 5'000);
    CHECK(told(held.release(snapshot("14:14:"), 7'000)) == "12 @120 @125 13 @140 ");
    CHECK(held.bytes() == 0);
    CHECK(held.status(9'000).waited_us == 6'000);
    CHECK(held.status(9'000).oldest_us == 0);
    CHECK(held.status(9'000).transactions == 0);
}

TEST_CASE("part of a batch does not say that all of it is there") {
    held_batches held;
    held.add(of({one(10, 100), one(11, 110)}, 120, true));
    const auto part = held.release(snapshot("11:12:11"), 0);
    REQUIRE(part.size() == 1);
    CHECK(!part[0].ready);
    const auto rest = held.release(snapshot("12:12:"), 0);
    REQUIRE(rest.size() == 1);
    CHECK(rest[0].ready);
}

TEST_CASE("segments of one transaction stay together, and a position in its middle is not told") {
    held_batches held;
    held.add(of({one(10, 100), one(11, 110, false)}, 105));
    held.add(of({one(11, 110), one(12, 120)}, 130));
    CHECK(told(held.release(snapshot("11:13:11"), 0)) == "10 @101 ");
    CHECK(told(held.release(snapshot("12:13:12"), 0)) == "11 @105 11 @111 ");
    CHECK(told(held.release(snapshot("13:13:"), 0)) == "12 @130 ");
}

TEST_CASE("numbers that have wrapped around, and rows that have none") {
    held_batches held;
    held.add(of({one(0, 100), one(4'294'967'295, 110), one(3, 120)}, 130));
    CHECK(told(held.release(snapshot("4294967295:4294967300:4294967295"), 0)) == "0 @101 ");
    CHECK(told(held.release(snapshot("4294967296:4294967299:"), 0)) == "4294967295 @111 ");
    CHECK(told(held.release(snapshot("8589934596:8589934596:"), 0)) == "3 @130 ");
}
