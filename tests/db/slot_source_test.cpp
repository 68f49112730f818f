#include "db/slot_source.hpp"

#include "tests/db/site.hpp"

#include <atomic>
#include <chrono>
#include <doctest/doctest.h>
#include <string>
#include <thread>

using namespace walcast;
using namespace walcast::testing;
using namespace std::chrono_literals;

namespace {

/// A slot source on a database of its own; counts the rows that it hands over.
struct reading_site : site {
    reading_site()
        : site("postgres")
        , source(
              {.connection = cluster().connection(name),
               .replication = {.slot = "reading", .publication = "walcast"},
               .keep = {0, 0},
               .silence = 4s,
               .stall = 500ms},
              [this](const batch &next) { rows += next.transactions.size(); }, [] { return false; },
              log.log()) {
        migrate.up();
        source.start();
        REQUIRE(becomes([this] { return source.status().ready; }));
    }
    ~reading_site() {
        source.stop();
        becomes([this] { return ask("select active from pg_replication_slots") == "f"; });
        sql("select pg_drop_replication_slot('reading')");
        migrate.down();
    }

    template <class Probe>
    static bool becomes(Probe &&probe) {
        for (const auto end = std::chrono::steady_clock::now() + 20s; std::chrono::steady_clock::now() < end;
             std::this_thread::sleep_for(10ms))
            if (probe())
                return true;
        return false;
    }
    void write() {
        sql("insert into logs (uuid, created_at, updated_at) values (gen_random_uuid(), now(), now())");
    }

    std::atomic<std::size_t> rows{0};
    slot_source source;
};

} // namespace

TEST_CASE_FIXTURE(reading_site, "a stream that is alive but does not follow the log is begun anew") {
    write();
    CHECK(becomes([this] { return rows == 1; }));
    std::this_thread::sleep_for(2s); // nothing is written, and nothing is expected
    CHECK(source.status().reconnects == 0);

    source.expect_position(lsn{source.status().decoded.value + (1U << 30)});
    CHECK(becomes([this] { return source.status().reconnects == 2; }));
    CHECK(has(log.text(), "the stream stands at"));
    CHECK_FALSE(has(log.text(), "fallen silent"));

    source.expect_position(source.status().decoded);
    const auto reconnects = source.status().reconnects;
    write();
    CHECK(becomes([this] { return rows == 2; }));
    std::this_thread::sleep_for(2s);
    CHECK(source.status().reconnects - reconnects <= 1); // one may have been under way
    CHECK(rows == 2);
}

TEST_CASE_FIXTURE(reading_site, "a position that is asked for does not end a stream that has lasted") {
    // The race: the answer to the last query before the stream was due within `silence`. A ticker that a
    // request wakes early must not take the stream, which is older by now, for that query.
    for (int second = 0; second < 5; ++second) { // so that something is heard
        write();
        std::this_thread::sleep_for(1s);
    }
    for (int i = 0; i < 5; ++i) {
        source.request_position(lsn{source.status().decoded.value + 1});
        std::this_thread::sleep_for(50ms);
    }
    write();
    CHECK(becomes([this] { return rows == 6; }));
    CAPTURE(log.text());
    CHECK(source.status().reconnects == 0);
}
