#include "tests/unit/db/assembler_fixture.hpp"

using namespace walcast;
using namespace walcast::pgout;

namespace {
const std::string table_t = describe({}, 1, "t", {{"id", true, 20}, {"name"}});
const std::string table_full = describe({}, 2, "f", {{"id", true, 20}, {"name", true}}, 'f');

/// Small enough that every row is a segment of its own.
const assembler_options tiny_segments{.segment_bytes = 1};
} // namespace

TEST_CASE_FIXTURE(assembler_fixture, "a committed transaction is handed on whole") {
    send({begin(7, 100, 5), table_t, table_full, insert({}, 1, {"1", "one"}), update({}, 1, {"1", unchanged}),
          update({}, 1, 'K', {"1", null}, {"2", "two"}), remove({}, 1, 'K', {"2", null}),
          update({}, 2, 'O', {"1", null}, {"1", "x"}), remove({}, 2, 'O', {"1", "x"}), truncate({}, {1, 2})});
    CHECK(segments.empty());
    CHECK(assembler.in_transaction());
    send({commit(100, 120, 5)});
    REQUIRE(segments.size() == 1);
    CHECK(segments[0]->xid() == 7);
    CHECK(segments[0]->committed_at() == 5);
    CHECK(taken() == lines{"100.0 insert t 1,one", "100.1 update t 1,~", "100.2 update t 2,two|1,.",
                           "100.3 delete t |2,.", "100.4 update f 1,x|1,-", "100.5 delete f |1,x",
                           "100.6 truncate t ", "100.7 truncate f ", "end 120"});
    CHECK(assembler.decoded() == lsn{120});
    CHECK(assembler.last() == position{lsn{100}, 7});
}

TEST_CASE_FIXTURE(assembler_fixture, "columns added, dropped and renamed while it runs") {
    send({begin(7, 100), table_t, insert({}, 1, {"1", "a"}), commit(100, 110)});
    send({begin(8, 200), describe({}, 1, "t", {{"id", true, 20}, {"name"}, {"more"}}),
          insert({}, 1, {"2", "b", "c"}), commit(200, 210)});
    send({begin(9, 300), insert({}, 1, {"3", "d", "e"}), describe({}, 1, "t", {{"id", true, 20}, {"extra"}}),
          insert({}, 1, {"4", "f"}), commit(300, 310)});
    REQUIRE(segments.size() == 3);
    const auto changes = segments[2]->changes();
    CHECK(changes[0].table == segments[1]->changes()[0].table);
    CHECK(changes[0].table->find("more") == 2);
    CHECK(changes[1].table->find("more") == -1);
    CHECK(changes[1].table->find("extra") == 1);
    CHECK(segments[0]->changes()[0].table->find("name") == 1);
    CHECK(taken() == lines{"100.0 insert t 1,a", "end 110", "200.0 insert t 2,b,c", "end 210",
                           "300.0 insert t 3,d,e", "300.1 insert t 4,f", "end 310"});
}

TEST_CASE_FIXTURE(assembler_fixture, "a row that does not fit its table, or has none, is an error") {
    send({begin(7, 100), table_t});
    CHECK(try_send(insert({}, 9, {"1"})) == decode_error::unknown_relation);
    CHECK(try_send(update({}, 9, {"1"})) == decode_error::unknown_relation);
    CHECK(try_send(remove({}, 9, 'K', {"1"})) == decode_error::unknown_relation);
    CHECK(try_send(truncate({}, {1, 9})) == decode_error::unknown_relation);
    CHECK(try_send(insert({}, 1, {"1"})) == decode_error::wrong_column_count);
    CHECK(try_send(update({}, 1, {"1", "2", "3"})) == decode_error::wrong_column_count);
    CHECK(try_send(update({}, 1, 'K', {"1"}, {"1", "2"})) == decode_error::wrong_column_count);
    CHECK(try_send(remove({}, 1, 'O', {"1"})) == decode_error::wrong_column_count);
}

TEST_CASE_FIXTURE(assembler_fixture, "messages out of place are errors") {
    CHECK(try_send(commit(100, 120)) == decode_error::unexpected_message);
    send({table_t});
    CHECK(try_send(insert({}, 1, {"1", "x"})) == decode_error::unexpected_message);
    CHECK(try_send(message({}, "walcast", "x")) == decode_error::unexpected_message);
    send({begin(7, 100)});
    CHECK(try_send(begin(8, 200)) == decode_error::unexpected_message);
    CHECK(try_send(stream_start(8, true)) == decode_error::unexpected_message);
}

TEST_CASE_FIXTURE(assembler_fixture, "a commit that is not of the open transaction is an error") {
    send({begin(7, 100)});
    CHECK(try_send(commit(101, 120)) == decode_error::unexpected_message);
    CHECK(segments.empty());
}

TEST_CASE_FIXTURE(assembler_fixture, "an empty transaction is not handed on, but counts as decoded") {
    send({begin(7, 100), origin("elsewhere"), type({}, 70000, "mood"), table_t, commit(100, 120)});
    CHECK(segments.empty());
    CHECK(assembler.decoded() == lsn{120});
    CHECK(assembler.empty_transactions() == 1);
    send({begin(8, 200), insert({}, 1, {"1", "x"}), commit(200, 220)});
    CHECK(taken() == lines{"200.0 insert t 1,x", "end 220"});
}

TEST_CASE_FIXTURE(assembler_fixture, "logical messages are handed on when they are ours and have a place") {
    send({message({}, "walcast", "now", false)});
    send({begin(7, 100), message({}, "walcast/a", "one"), message({}, "other", "two"), table_t,
          insert({}, 1, {"1", "x"}), message({}, "walcast", ""), message({}, "walcast", "at once", false),
          commit(100, 120)});
    CHECK(taken() ==
          lines{"100.0 message walcast/a one", "100.1 insert t 1,x", "100.2 message walcast ", "end 120"});
    CHECK(assembler.counts().non_transactional_messages == 2);
    CHECK(assembler.counts().foreign_messages == 1);
    send({begin(8, 200), message({}, "other", "two"), commit(200, 220)});
    CHECK(taken().empty());
    CHECK(assembler.decoded() == lsn{220});
}

TEST_CASE("a large transaction comes in segments, the last of them not empty") {
    assembler_fixture with(assembler_options{.segment_bytes = 64 * 1024});
    with.send({begin(7, 100), table_t});
    const std::string long_name(1000, 'x');
    for (int at = 0; at < 500; ++at)
        with.send({insert({}, 1, {std::to_string(at), long_name})});
    const auto before_commit = with.segments.size();
    CHECK(before_commit >= 4);
    with.send({commit(100, 120)});
    CHECK(with.segments.size() == before_commit + 1);
    std::uint32_t expected = 0;
    for (const auto &segment : with.segments) {
        CHECK(segment->last() == (segment == with.segments.back()));
        CHECK(segment->footprint() < 3 * 64 * 1024);
        REQUIRE_FALSE(segment->changes().empty());
        for (const auto &change : segment->changes()) {
            CHECK(change.index == expected);
            CHECK(segment->new_row(change)[0].bytes == std::to_string(expected++));
        }
    }
    CHECK(expected == 500);
}

TEST_CASE("what was handed on before a reconnect is not handed on again") {
    const std::vector<std::string> whole{begin(7, 100),
                                         table_t,
                                         insert({}, 1, {"0", "a"}),
                                         insert({}, 1, {"1", "b"}),
                                         message({}, "other", "not counted"),
                                         message({}, "walcast", "c"),
                                         insert({}, 1, {"3", "d"}),
                                         commit(100, 120)};
    const lines all{"100.0 insert t 0,a", "100.1 insert t 1,b", "100.2 message walcast c",
                    "100.3 insert t 3,d", "end 120"};
    for (std::size_t received = 0; received <= whole.size(); ++received) {
        CAPTURE(received);
        assembler_fixture with(tiny_segments);
        with.send({begin(6, 90), table_t, insert({}, 1, {"9", "z"}), commit(90, 95)});
        with.send({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(received)});
        with.assembler.begin_connection();
        with.send({begin(6, 90), table_t, insert({}, 1, {"9", "z"}), commit(90, 95)});
        with.send(whole);
        with.send({begin(8, 200), insert({}, 1, {"4", "e"}), commit(200, 210)});
        lines expected{"90.0 insert t 9,z", "end 95"};
        expected.insert(expected.end(), all.begin(), all.end());
        expected.insert(expected.end(), {"200.0 insert t 4,e", "end 210"});
        CHECK(with.taken() == expected);
        CHECK(with.assembler.decoded() == lsn{210});
    }
}

TEST_CASE_FIXTURE(assembler_fixture, "a restarted process goes on after a given position") {
    assembler.resume_after({lsn{100}, 1}, false);
    send({begin(6, 90), table_t, insert({}, 1, {"9", "z"}), commit(90, 95)});
    send({begin(7, 100), insert({}, 1, {"0", "a"}), insert({}, 1, {"1", "b"}), insert({}, 1, {"2", "c"}),
          commit(100, 120)});
    CHECK(taken() == lines{"100.2 insert t 2,c", "end 120"});

    assembler.resume_after({lsn{100}, 1}, false);
    send({begin(7, 100), insert({}, 1, {"0", "a"}), insert({}, 1, {"1", "b"}), commit(100, 120)});
    REQUIRE(segments.size() == 1);
    CHECK(segments[0]->changes().empty());
    CHECK(taken() == lines{"end 120"});
}

TEST_CASE("a transaction whose rest never comes is an error, not a gap") {
    assembler_fixture with(tiny_segments);
    with.send({begin(7, 100), table_t, insert({}, 1, {"0", "a"}), insert({}, 1, {"1", "b"})});
    CHECK(with.taken() == lines{"100.0 insert t 0,a"});
    CHECK_FALSE(with.assembler.last_complete());
    with.assembler.begin_connection();
    CHECK(with.try_send(begin(8, 200)) == decode_error::transaction_lost);
    with.assembler.begin_connection();
    with.assembler.resume_after({}, true);
    with.send({begin(8, 200), table_t, insert({}, 1, {"2", "c"}), commit(200, 210)});
    CHECK(with.taken() == lines{"200.0 insert t 2,c", "end 210"});
}

TEST_CASE_FIXTURE(assembler_fixture,
                  "a table must be described again after a reconnect and keeps its object") {
    send({begin(7, 100), table_t, insert({}, 1, {"0", "a"}), commit(100, 120)});
    assembler.begin_connection();
    send({begin(8, 200)});
    CHECK(try_send(insert({}, 1, {"1", "b"})) == decode_error::unknown_relation);
    assembler.begin_connection();
    send({begin(8, 200), table_t, insert({}, 1, {"1", "b"}), commit(200, 220)});
    REQUIRE(segments.size() == 2);
    CHECK(segments[0]->changes()[0].table->id() == segments[1]->changes()[0].table->id());
}

TEST_CASE_FIXTURE(assembler_fixture, "two-phase messages were not asked for") {
    CHECK(try_send(begin_prepare(7, "g")) == decode_error::two_phase_unrequested);
    assembler_fixture asked(assembler_options{.protocol = {.two_phase = true}});
    CHECK(asked.try_send(begin_prepare(7, "g")) == decode_error::unexpected_message);
}
