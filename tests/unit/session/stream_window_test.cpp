#include "server/session/stream_window.hpp"

#include <doctest/doctest.h>

namespace walcast {

namespace {

/// Transactions of one message each, which commit at 10, 20, 30, …
class stream {
  public:
    feed run{{.bytes = 1 << 20, .age_us = 1'000}};
    stream_window window{run};

    void commit(unsigned segments = 1) {
        at_ += 10;
        builder_.begin(static_cast<std::uint32_t>(at_), lsn{at_}, static_cast<std::int64_t>(at_));
        while (--segments > 0) {
            builder_.add_message("", "");
            run.append(builder_.cut());
        }
        builder_.add_message("", "");
        run.append(builder_.finish(lsn{at_ + 5}));
        window.completed(0);
    }
    void process_all() {
        while (window.processed() < window.end())
            window.processed_one();
    }

  private:
    transaction_builder builder_;
    std::uint64_t at_ = 0;
};

} // namespace

TEST_CASE("transactions are numbered by their last segments") {
    stream made;
    made.commit();
    made.commit(3);
    made.commit();
    CHECK(made.window.end() == 3);
    CHECK(made.window[1].commit == lsn{20});
    unsigned segments = 0;
    made.window.each_segment(1, [&](const transaction &one) {
        CHECK(one.commit() == lsn{20});
        ++segments;
    });
    CHECK(segments == 3);
}

TEST_CASE("a shard stands before the first transaction that it has not processed") {
    stream made;
    made.commit();
    made.commit();
    CHECK(made.window.reached() == lsn{10});
    made.window.processed_one();
    CHECK(made.window.reached() == lsn{20});
    made.window.processed_one();
    CHECK(made.window.reached() == lsn{25}); // as far as the feed has decoded
    made.run.decoded(lsn{90});
    CHECK(made.window.reached() == lsn{90});
}

TEST_CASE("who stands at a position goes on behind it") {
    stream made;
    for (int count = 0; count < 4; ++count)
        made.commit();
    made.process_all();
    CHECK(made.window.first_behind({}) == 0);
    CHECK(made.window.first_behind({lsn{20}, 0}) == 1); // more changes of that transaction may be due
    CHECK(made.window.first_behind(end_of({20})) == 2);
    CHECK(made.window.first_behind(before({40})) == 3);
    CHECK(made.window.first_behind(end_of({40})) == 4);
}

TEST_CASE("what has left the feed is known by number until it is forgotten") {
    stream made;
    for (int count = 0; count < 4; ++count)
        made.commit();
    made.window.processed_one();
    made.window.processed_one();
    made.run.trim(1'025); // the feed keeps what was committed from 25 on
    CHECK(!made.window.holds(1));
    CHECK(made.window.holds(2));
    CHECK(made.window[1].xid == 20);
    CHECK(made.run.low_water() >= end_of({20}));
    made.window.forget_before(1);
    CHECK(made.window.base() == 1);
    made.window.forget_before(4); // not what the feed holds, nor what has yet to be processed
    CHECK(made.window.base() == 2);
    CHECK(made.window.first_behind({}) == 2);
}

TEST_CASE("a transaction of which the end does not come has no number") {
    stream made;
    made.commit();
    transaction_builder torn;
    torn.begin(7, lsn{15}, 15);
    torn.add_message("", "");
    made.run.append(torn.cut());
    made.window.tear();
    made.commit();
    CHECK(made.window.end() == 2);
    unsigned segments = 0;
    made.window.each_segment(1, [&](const transaction &) { ++segments; });
    CHECK(segments == 1);
}

} // namespace walcast
