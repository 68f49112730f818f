#include "tests/support/file_size_limit.hpp"
#include "tests/unit/db/assembler_fixture.hpp"

#include <cerrno>

using namespace walcast;
using namespace walcast::pgout;

namespace {
const std::vector<col> plain{{"id", true, 20}, {"name"}};
const std::vector<col> altered{{"id", true, 20}, {"name"}, {"more"}};

std::string table_t(in of, const std::vector<col> &columns = plain) {
    return describe(of, 1, "t", columns);
}
} // namespace

TEST_CASE_FIXTURE(assembler_fixture, "a streamed transaction is handed on at its commit") {
    send({stream_start(7, true), table_t({7}), insert({7}, 1, {"1", "a"}), stream_stop()});
    send({stream_start(7, false), origin("elsewhere"), type({7}, 70000, "mood"),
          update({8}, 1, 'K', {"1", null}, {"2", unchanged}), remove({7}, 1, 'K', {"2", null}),
          truncate({7}, {1}), message({8}, "walcast", "m"), message({8}, "other", "m"), stream_stop()});
    CHECK(segments.empty());
    CHECK(assembler.streams() == 1);
    CHECK(assembler.decoded() == lsn{});
    send({stream_commit(7, 100, 120, 5)});
    REQUIRE(segments.size() == 1);
    CHECK(segments[0]->xid() == 7);
    CHECK(segments[0]->committed_at() == 5);
    CHECK(taken() == lines{"100.0 insert t 1,a", "100.1 update t 2,~|1,.", "100.2 delete t |2,.",
                           "100.3 truncate t ", "100.4 message walcast m", "end 120"});
    CHECK(assembler.streams() == 0);
    CHECK(assembler.decoded() == lsn{120});
}

TEST_CASE_FIXTURE(assembler_fixture, "an aborted streamed transaction leaves nothing") {
    send({stream_start(7, true), table_t({7}, altered), insert({7}, 1, {"1", "a", "b"}), stream_stop(),
          stream_abort(7, 7)});
    CHECK(assembler.streams() == 0);
    CHECK(assembler.counts().streams_aborted == 1);
    send({stream_abort(99, 99), stream_abort(99, 98)});
    send({begin(8, 100)});
    CHECK(try_send(insert({}, 1, {"1", "a", "b"})) == decode_error::unknown_relation);
    CHECK(segments.empty());
}

TEST_CASE_FIXTURE(assembler_fixture, "aborted subtransactions are left out of a committed one") {
    send({stream_start(7, true), table_t({8}), insert({8}, 1, {"1", "gone"}), insert({9}, 1, {"2", "kept"}),
          stream_stop(), stream_abort(7, 8)});
    send({stream_start(7, false), insert({7}, 1, {"3", "kept"}), insert({10}, 1, {"4", "gone"}),
          message({10}, "walcast", "gone"), stream_stop(), stream_abort(7, 10), stream_commit(7, 100, 120)});
    // The table was described under 8, which was aborted; the changes of 9 and 7 need it all the same.
    CHECK(taken() == lines{"100.0 insert t 2,kept", "100.1 insert t 3,kept", "end 120"});
}

TEST_CASE_FIXTURE(assembler_fixture, "a streamed transaction of aborted changes only is empty") {
    send({stream_start(7, true), table_t({8}), insert({8}, 1, {"1", "gone"}), stream_stop(),
          stream_abort(7, 8), stream_commit(7, 100, 120)});
    CHECK(segments.empty());
    CHECK(assembler.empty_transactions() == 1);
    CHECK(assembler.decoded() == lsn{120});
}

TEST_CASE_FIXTURE(assembler_fixture, "streams interleave with each other and with whole transactions") {
    send({stream_start(7, true), table_t({7}), insert({7}, 1, {"7", "a"}), stream_stop()});
    send({stream_start(8, true), table_t({8}), insert({8}, 1, {"8", "a"}), stream_stop()});
    send({begin(9, 100), table_t({}), insert({}, 1, {"9", "a"}), commit(100, 110)});
    send({stream_start(7, false), insert({7}, 1, {"7", "b"}), stream_stop()});
    send({stream_start(8, false), insert({8}, 1, {"8", "b"}), stream_stop(), stream_commit(8, 200, 210)});
    send({begin(10, 250), insert({}, 1, {"10", "a"}), commit(250, 260)});
    send({stream_commit(7, 300, 310)});
    REQUIRE(segments.size() == 4);
    for (const auto &each : segments)
        CHECK(each->changes()[0].table->id() == segments[0]->changes()[0].table->id());
    CHECK(taken() == lines{"100.0 insert t 9,a", "end 110", "200.0 insert t 8,a", "200.1 insert t 8,b",
                           "end 210", "250.0 insert t 10,a", "end 260", "300.0 insert t 7,a",
                           "300.1 insert t 7,b", "end 310"});
}

TEST_CASE_FIXTURE(assembler_fixture, "a shape made in a stream is for others only after its commit") {
    send({begin(6, 50), table_t({}), insert({}, 1, {"1", "a"}), commit(50, 60)});
    send({stream_start(7, true), table_t({7}), insert({7}, 1, {"2", "b"}), table_t({7}, altered),
          insert({7}, 1, {"3", "c", "d"}), stream_stop()});
    send({begin(8, 100), insert({}, 1, {"4", "e"}), commit(100, 110)});
    send({stream_commit(7, 200, 210)});
    send({begin(9, 300), insert({}, 1, {"5", "f", "g"}), commit(300, 310)});
    CHECK(taken() == lines{"50.0 insert t 1,a", "end 60", "100.0 insert t 4,e", "end 110",
                           "200.0 insert t 2,b", "200.1 insert t 3,c,d", "end 210", "300.0 insert t 5,f,g",
                           "end 310"});
}

TEST_CASE_FIXTURE(assembler_fixture, "a stream's older description does not undo a newer one") {
    // The published columns change while 7 is in progress; nothing locks the table for that.
    send({stream_start(7, true), table_t({7}), insert({7}, 1, {"1", "a"}), stream_stop()});
    send({begin(8, 100), table_t({}, altered), insert({}, 1, {"2", "b", "c"}), commit(100, 110)});
    send({stream_commit(7, 200, 210)});
    send({begin(9, 300), insert({}, 1, {"3", "d", "e"}), commit(300, 310)});
    CHECK(taken() == lines{"100.0 insert t 2,b,c", "end 110", "200.0 insert t 1,a", "end 210",
                           "300.0 insert t 3,d,e", "end 310"});
}

TEST_CASE_FIXTURE(assembler_fixture, "a stream without its beginning is an error") {
    CHECK(try_send(stream_start(7, false)) == decode_error::unknown_stream);
    assembler.begin_connection();
    CHECK(try_send(stream_commit(7, 100, 120)) == decode_error::unknown_stream);
}

TEST_CASE("a streamed transaction comes in segments, one a step, and nothing else meanwhile") {
    assembler_fixture with(assembler_options{.segment_bytes = 1});
    with.send({stream_start(7, true), table_t({7}), insert({7}, 1, {"0", "a"}), insert({7}, 1, {"1", "b"}),
               insert({7}, 1, {"2", "c"}), stream_stop()});
    REQUIRE(with.assembler.consume(stream_commit(7, 100, 120)).has_value());
    CHECK(with.assembler.replaying());
    CHECK(with.assembler.consume(begin(8, 200)).error() == decode_error::unexpected_message);
    for (std::size_t step = 1; step <= 3; ++step) {
        REQUIRE(with.assembler.replay_step().has_value());
        CHECK(with.segments.size() == step);
    }
    CHECK_FALSE(with.assembler.replaying());
    CHECK(with.taken() == lines{"100.0 insert t 0,a", "100.1 insert t 1,b", "100.2 insert t 2,c", "end 120"});
}

TEST_CASE("a replay cut off by a lost connection goes on where it was, streamed again or not") {
    const std::vector<std::string> streamed{stream_start(7, true),
                                            table_t({8}),
                                            insert({8}, 1, {"9", "gone"}),
                                            insert({7}, 1, {"0", "a"}),
                                            insert({7}, 1, {"1", "b"}),
                                            insert({7}, 1, {"2", "c"}),
                                            stream_stop(),
                                            stream_abort(7, 8)};
    const std::vector<std::string> whole{begin(7, 100),
                                         table_t({}),
                                         insert({}, 1, {"0", "a"}),
                                         insert({}, 1, {"1", "b"}),
                                         insert({}, 1, {"2", "c"}),
                                         commit(100, 120)};
    for (int steps = 0; steps <= 3; ++steps)
        for (const bool again : {true, false}) {
            CAPTURE(steps);
            CAPTURE(again);
            assembler_fixture with(assembler_options{.segment_bytes = 1});
            with.send(streamed);
            REQUIRE(with.assembler.consume(stream_commit(7, 100, 120)).has_value());
            for (int step = 0; step < steps; ++step)
                REQUIRE(with.assembler.replay_step().has_value());
            with.assembler.begin_connection();
            CHECK(with.assembler.streams() == 0);
            with.send(again ? streamed : whole);
            if (again)
                with.send({stream_commit(7, 100, 120)});
            CHECK(with.taken() ==
                  lines{"100.0 insert t 0,a", "100.1 insert t 1,b", "100.2 insert t 2,c", "end 120"});
            // What the transaction said about its tables counts, even when all of it was handed on before.
            with.send({begin(8, 200), insert({}, 1, {"3", "d"}), commit(200, 210)});
            CHECK(with.taken() == lines{"200.0 insert t 3,d", "end 210"});
        }
}

TEST_CASE("past its share of memory the largest stream goes to disk") {
    assembler_fixture with(assembler_options{.stream_memory_bytes = 1'000'000, .spill_directory = "/tmp"});
    const std::string long_name(10'000, 'x');
    lines expected;
    with.send({stream_start(8, true), table_t({8}), insert({8}, 1, {"8", "small"}), stream_stop()});
    with.send({stream_start(7, true), table_t({7}), stream_stop()});
    for (int at = 0; at < 500; ++at) {
        with.send({stream_start(7, false), insert({7}, 1, {std::to_string(at), long_name}), stream_stop()});
        CHECK(with.assembler.stream_memory() < 1'000'000 + 300'000);
        expected.push_back("100." + std::to_string(at) + " insert t " + std::to_string(at) + "," + long_name);
    }
    expected.push_back("end 120");
    CHECK(with.assembler.counts().spilled_bytes > 4'000'000);
    with.send({stream_commit(7, 100, 120)});
    CHECK(with.taken() == expected);
    with.send({stream_commit(8, 200, 220)});
    CHECK(with.taken() == lines{"200.0 insert t 8,small", "end 220"});
}

TEST_CASE("a full disk refuses one message, which is taken when there is room again") {
    assembler_fixture with(assembler_options{.stream_memory_bytes = 100'000, .spill_directory = "/tmp"});
    const std::string long_name(30'000, 'x');
    std::vector<std::string> messages{stream_start(7, true), table_t({7})};
    lines expected;
    for (int at = 0; at < 20; ++at) {
        messages.push_back(insert({7}, 1, {std::to_string(at), long_name}));
        expected.push_back("100." + std::to_string(at) + " insert t " + std::to_string(at) + "," + long_name);
    }
    expected.push_back("end 120");
    messages.push_back(stream_stop());
    messages.push_back(stream_commit(7, 100, 120));

    std::size_t sent = 0;
    {
        const file_size_limit limit(150'000);
        boost::system::error_code refused;
        while (sent < messages.size() && !(refused = with.try_send(messages[sent])))
            ++sent;
        REQUIRE(sent < messages.size());
        CHECK(is_spill_error(refused));
        CHECK(refused.value() == EFBIG);
        CHECK(is_spill_error(with.try_send(messages[sent])));
        CHECK(with.segments.empty());
    }
    with.send({messages.begin() + static_cast<std::ptrdiff_t>(sent), messages.end()});
    CHECK(with.taken() == expected);
}

TEST_CASE("a directory that is not there is a spill error too") {
    assembler_fixture with(assembler_options{.stream_memory_bytes = 1, .spill_directory = "/nowhere/at/all"});
    with.send({stream_start(7, true), table_t({7})});
    const auto refused = with.try_send(insert({7}, 1, {"1", "a"}));
    CHECK(is_spill_error(refused));
    CHECK(refused.value() == ENOENT);
}
