// Positions begin anew when the log has gone back: who waits for one of before must neither wait for ever nor
// be woken before what the query behind it saw has been handed over.

#include "tests/unit/session/hub_fixture.hpp"

#include <doctest/doctest.h>
#include <utility>

using namespace walcast;
using namespace walcast::test;

namespace {

struct waiter {
    waiter(event_hub &hub, lsn up_to) {
        hub.when_decoded(up_to, [this] { woken = true; });
    }
    bool woken = false;
};

void append(event_hub &hub, std::uint64_t epoch, lsn decoded, std::vector<transaction_ptr> rows = {}) {
    batch next;
    next.transactions = std::move(rows);
    next.decoded = decoded;
    next.epoch = epoch;
    next.ready = true;
    hub.append(next, {}, 0);
}

} // namespace

TEST_CASE("a waiter of a log that has gone back is woken when the new one begins, after what was read from "
          "the table") {
    site at;
    append(at.hub, 0, lsn{1000});
    const waiter before(at.hub, lsn{5000});
    append(at.hub, 1, lsn{});
    CHECK_FALSE(before.woken);
    append(at.hub, 1, lsn{}, {log_row(1, "update", lsn{0})});
    CHECK_FALSE(before.woken);
    const waiter after(at.hub, lsn{300});
    append(at.hub, 1, lsn{200});
    CHECK(before.woken);
    CHECK_FALSE(after.woken);
    append(at.hub, 1, lsn{300});
    CHECK(after.woken);
}

TEST_CASE("where the log goes on, a new slot changes nothing for who waits") {
    site at;
    append(at.hub, 0, lsn{1000});
    const waiter one(at.hub, lsn{5000});
    append(at.hub, 1, lsn{1000});
    append(at.hub, 1, lsn{4000});
    CHECK_FALSE(one.woken);
    append(at.hub, 1, lsn{5000});
    CHECK(one.woken);
}
