// The replication conversation, replayed as a script that is made to fail at every step in turn.

#include "db/replication_fsm.hpp"

#include <doctest/doctest.h>
#include <functional>
#include <string>
#include <vector>

using namespace walcast;
using namespace std::string_literals;
using remedy = replication_failure::remedy;

namespace {

query_result rows(std::vector<std::optional<std::string>> row) {
    return {.what = query_result::kind::rows, .rows = {std::move(row)}};
}
query_result done() {
    return {.what = query_result::kind::command};
}
query_result copying() {
    return {.what = query_result::kind::copy_both};
}
query_result failing(std::string sqlstate) {
    return {.what = query_result::kind::error, .sqlstate = std::move(sqlstate), .message = "no"};
}

/// One line of the dialogue: what walcast asks must begin so, and what the server answers.
struct line {
    std::string asks;
    query_result answer;
};

constexpr int version_15 = 150'013, version_17 = 170'002;

const line identify{"IDENTIFY_SYSTEM", rows({"7300000000000000001", "3", "16/B374D848", "arvados"})};

/// What pg_replication_slots says, and what else is asked with it.
struct slot_row {
    std::optional<std::string> plugin = "pgoutput", database = "arvados", status = "reserved";
    std::string published = "t";
    std::optional<std::string> reader = {}, reader_began = {}, failover = {};

    [[nodiscard]] line asked() const {
        return {"SELECT s.plugin", rows({plugin, database, status, "16/8", published, "64", reader,
                                         reader_began, "77", "noon", failover, "16/B374D850"})};
    }
};
const slot_row no_slot{.plugin = {}, .database = {}, .status = {}};
const slot_row lost{.status = "lost"};

const line create{R"(CREATE_REPLICATION_SLOT "walcast_77" TEMPORARY LOGICAL pgoutput (SNAPSHOT 'use'))",
                  rows({"walcast_77", "16/9", {}, "pgoutput"})};
const line keep{"SELECT pg_catalog.pg_copy_logical_replication_slot('walcast_77', 'walcast', false)",
                rows({"(walcast,16/9)"})};
const line clear{R"(DROP_REPLICATION_SLOT "walcast_77")", done()};
const line begin{"BEGIN READ ONLY ISOLATION LEVEL REPEATABLE READ", done()};
const line commit{"COMMIT", done()};
const line drop{R"(DROP_REPLICATION_SLOT "walcast")", done()};
line start(const std::string &from) {
    return {R"(START_REPLICATION SLOT "walcast" LOGICAL )" + from +
                " (proto_version '2', publication_names '\"walcast\"'",
            copying()};
}

struct played {
    replication_fsm machine;
    replication_fsm::action last;
    bool made = false; ///< slot_made came up
};

/// Plays the script up to `stop`, where `instead` is answered.
played play(const std::vector<line> &script, replication_past past = {}, std::size_t stop = SIZE_MAX,
            const query_result &instead = {}, int version = version_15) {
    played result{replication_fsm({.slot = "walcast", .publication = "walcast"}, std::move(past)), {}};
    auto &machine = result.machine;
    result.last = machine.connected(version);
    for (std::size_t at = 0; at < script.size(); ++at) {
        if (std::holds_alternative<replication_fsm::slot_made>(result.last)) {
            result.made = true;
            result.last = machine.go_on();
        }
        if (std::holds_alternative<replication_fsm::slot_in_use>(result.last))
            result.last = machine.look_again();
        const auto *query = std::get_if<replication_fsm::send_query>(&result.last);
        REQUIRE(query != nullptr);
        CHECK_MESSAGE(query->text.starts_with(script[at].asks), query->text);
        result.last = machine.result(at == stop ? instead : script[at].answer);
        if (at == stop)
            return result;
    }
    return result;
}

/// We have read up to here before, of this log.
replication_past reader_at(lsn resume) {
    return {.resume = resume,
            .system_identifier = "7300000000000000001",
            .timeline = 3,
            .backend = "66 since dawn",
            .had_slot = true};
}
const auto read_before = reader_at(lsn{0x16'0000'0010});

const std::vector<line> known_slot{identify, slot_row().asked(), start("16/10")};
const std::vector<line> new_slot{identify, no_slot.asked(), begin, create, commit, keep, clear, start("0/0")};
const std::vector<line> lost_slot{identify, lost.asked(), drop,  begin,       create,
                                  commit,   keep,         clear, start("0/0")};

} // namespace

TEST_CASE("a slot that is there goes on where we stand") {
    const auto end = play(known_slot, read_before);
    CHECK(std::holds_alternative<replication_fsm::streaming>(end.last));
    CHECK(end.machine.system_identifier() == "7300000000000000001");
    CHECK(end.machine.timeline() == 3);
    CHECK(end.machine.log_end() == lsn{0x16'b374d850});
    CHECK(end.machine.slot_keep_bytes() == std::uint64_t{64} << 20);
    CHECK(end.machine.slot_begin() == lsn{0x16'0000'0008});
    CHECK(end.machine.backend() == "77 since noon");
    CHECK(end.machine.slot_found());
    CHECK_FALSE(end.machine.slot_created());
    CHECK(end.machine.slot_lost().empty());
}

TEST_CASE("a slot is made when there is none, and made again when it is lost") {
    const auto made = play(new_slot);
    CHECK(std::holds_alternative<replication_fsm::streaming>(made.last));
    CHECK(made.made);
    CHECK(made.machine.slot_created());
    CHECK(made.machine.slot_begin() == lsn{0x16'0000'0009});
    CHECK(made.machine.slot_lost().empty());

    const auto dropped = play(new_slot, read_before);
    CHECK(dropped.made);
    CHECK(dropped.machine.slot_lost() == "it was dropped");

    const auto again = play(lost_slot, read_before);
    CHECK(std::holds_alternative<replication_fsm::streaming>(again.last));
    CHECK(again.made);
    CHECK(again.machine.slot_lost().find("removed its WAL") != std::string::npos);
}

TEST_CASE("a slot is not kept before the caller has read what it will not bring") {
    const auto made = play({identify, no_slot.asked(), begin, create}, read_before);
    CHECK(std::holds_alternative<replication_fsm::slot_made>(made.last));

    // However long its name is, that of the one being made is one too.
    const std::string longest(63, 'x');
    replication_fsm machine({.slot = longest, .publication = "walcast"}, {});
    (void)machine.connected(version_15);
    for (const auto &answer : {identify.answer, no_slot.asked().answer})
        (void)machine.result(answer);
    const auto next = machine.result(done());
    CHECK(std::get<replication_fsm::send_query>(next).text.find('"' + std::string(60, 'x') + "_77\"") !=
          std::string::npos);
}

TEST_CASE("a slot of a log that has gone back is made again: its positions are those of other changes") {
    // Restored: the log ends before what we have read.
    std::vector<line> restored = lost_slot;
    restored[1] = slot_row().asked();
    const auto back = play(restored, reader_at(lsn{0x17'0000'0000}));
    CHECK(back.made);
    CHECK(back.machine.slot_lost().find("was restored, or failed over") != std::string::npos);

    // Another cluster, whose log may well be longer.
    auto moved = read_before;
    moved.system_identifier = "7300000000000000002";
    CHECK(play(restored, moved).machine.slot_lost().find("another cluster") != std::string::npos);

    // Failed over: the log has a common part with ours, up to where the old timeline was left.
    auto old = read_before;
    old.timeline = 2;
    const auto history = [](const char *content) {
        return line{"TIMELINE_HISTORY 3", rows({"00000003.history", content})};
    };
    const std::string left_early =
        "1\t16/1\tno recovery target specified\n2\t16/F\tno recovery target specified\n";
    std::vector<line> promoted{identify, history(left_early.c_str())};
    promoted.insert(promoted.end(), restored.begin() + 1, restored.end());
    CHECK(play(promoted, old).made);
    const std::string left_late = "1\t16/1\tx\n2\t16/10\tx\n";
    const auto complete =
        play({identify, history(left_late.c_str()), slot_row().asked(), start("16/10")}, old);
    CHECK(std::holds_alternative<replication_fsm::streaming>(complete.last));
    CHECK(complete.machine.slot_lost().empty());
}

TEST_CASE("a slot in use is waited for, unless its reader is our own last connection") {
    const slot_row busy{.reader = "55", .reader_began = "dawn"};
    const auto waited =
        play({identify, busy.asked(), busy.asked(), slot_row().asked(), start("16/10")}, read_before);
    CHECK(std::holds_alternative<replication_fsm::streaming>(waited.last));
    CHECK(std::get<replication_fsm::slot_in_use>(play({identify, busy.asked()}, read_before).last).reader ==
          "process 55");

    const slot_row ours{.reader = "66", .reader_began = "dawn"};
    const line terminate{"SELECT pg_catalog.pg_terminate_backend(pid, 5000)", rows({"t"})};
    const auto freed =
        play({identify, ours.asked(), terminate, slot_row().asked(), start("16/10")}, read_before);
    CHECK(std::holds_alternative<replication_fsm::streaming>(freed.last));
    // Once: whoever has it then is somebody else with the same number, or cannot be ended.
    CHECK(std::holds_alternative<replication_fsm::slot_in_use>(
        play({identify, ours.asked(), terminate, ours.asked()}, read_before).last));
}

TEST_CASE("from PostgreSQL 17 on the slot lives through a failover") {
    const slot_row without{.failover = "f"};
    const line alter{R"(ALTER_REPLICATION_SLOT "walcast" (FAILOVER true))", done()};
    CHECK(std::holds_alternative<replication_fsm::streaming>(
        play({identify, without.asked(), alter, start("16/10")}, read_before, SIZE_MAX, {}, version_17)
            .last));
    const slot_row with{.failover = "t"};
    CHECK(std::holds_alternative<replication_fsm::streaming>(
        play({identify, with.asked(), start("16/10")}, read_before, SIZE_MAX, {}, version_17).last));
    CHECK(std::holds_alternative<replication_fsm::streaming>(
        play({identify, no_slot.asked(), begin, create, commit, keep, clear, alter, start("0/0")}, {},
             SIZE_MAX, {}, version_17)
            .last));
}

TEST_CASE("every step may fail, and what is to be done depends on why") {
    struct fault {
        query_result answer;
        remedy what_to_do;
    };
    const std::vector<fault> faults{{failing("57P01"), remedy::reconnect},
                                    {failing("55006"), remedy::wait_for_slot},
                                    {failing("42501"), remedy::give_up},
                                    {failing("53400"), remedy::give_up},
                                    {failing("XX000"), remedy::reconnect}};
    for (const auto *script : {&known_slot, &new_slot, &lost_slot})
        for (std::size_t at = 0; at < script->size(); ++at)
            for (const auto &fault : faults) {
                const auto end =
                    play(*script, script == &known_slot ? read_before : replication_past{}, at, fault.answer);
                const auto *failure = std::get_if<replication_failure>(&end.last);
                REQUIRE(failure != nullptr);
                CHECK(failure->what_to_do == fault.what_to_do);
                CHECK_FALSE(failure->why.empty());
            }
}

TEST_CASE("answers that make no sense end the conversation") {
    for (const auto &answer : {done(), rows({}), rows({"only one"})})
        CHECK(std::holds_alternative<replication_failure>(play(known_slot, {}, 0, answer).last));
    CHECK(std::holds_alternative<replication_failure>(play(known_slot, read_before, 1, rows({"a"})).last));
    CHECK(std::holds_alternative<replication_failure>(play(known_slot, read_before, 2, done()).last));
}

TEST_CASE("streaming is asked for when it is wanted") {
    for (const bool wanted : {false, true}) {
        replication_fsm machine({.slot = "walcast", .publication = "walcast", .streaming = wanted}, {});
        (void)machine.connected(version_15);
        (void)machine.result(identify.answer);
        const auto last = machine.result(slot_row().asked().answer);
        CHECK(std::get<replication_fsm::send_query>(last).text.ends_with(wanted ? "streaming 'on')"
                                                                                : "streaming 'off')"));
    }
}

TEST_CASE("somebody else's slot is left alone") {
    for (const auto &foreign : {slot_row{.plugin = "test_decoding"}, slot_row{.database = "other"}}) {
        const auto end = play({identify, foreign.asked()});
        const auto *failure = std::get_if<replication_failure>(&end.last);
        REQUIRE(failure != nullptr);
        CHECK(failure->what_to_do == remedy::give_up);
        CHECK(failure->why.find("Walcast.Slot") != std::string::npos);
    }
}

TEST_CASE("a missing publication names the command that makes it, and no slot is made meanwhile") {
    for (auto known : {slot_row(), no_slot}) {
        known.published = "f";
        const auto end = play({identify, known.asked()});
        const auto *failure = std::get_if<replication_failure>(&end.last);
        REQUIRE(failure != nullptr);
        CHECK(failure->what_to_do == remedy::give_up);
        CHECK(failure->why.find("walcast migrate up") != std::string::npos);
    }
}

TEST_CASE("a slot that the server fails to decode, at one place again and again, is given up") {
    const auto end = play(known_slot, read_before);
    CHECK(end.machine.explain(failing("XX000")).server_fault);
    CHECK(end.machine.explain(failing("XX000")).what_to_do == remedy::reconnect);
    CHECK_FALSE(end.machine.explain(failing("57P01")).server_fault);

    repeated_fault faults;
    for (unsigned times = 1; times < repeated_fault::most; ++times)
        CHECK_FALSE(faults.add(true, false));
    CHECK_FALSE(faults.add(true, true)); // it came on
    for (unsigned times = 1; times < repeated_fault::most; ++times)
        CHECK_FALSE(faults.add(true, false));
    CHECK_FALSE(faults.add(false, false)); // the server was away
    for (unsigned times = 1; times < repeated_fault::most; ++times)
        CHECK_FALSE(faults.add(true, false));
    CHECK(faults.add(true, false));
    CHECK_FALSE(faults.add(true, false));
}

TEST_CASE("a slot with changes from when there was no publication is made again") {
    const auto end = play(known_slot, read_before);
    CHECK(end.machine.explain(failing("42704")).what_to_do == remedy::remake_slot);
    CHECK(end.machine.explain(failing("57P01")).what_to_do == remedy::reconnect);
    auto warning = failing("55000"); // so has one about a standby that is away
    CHECK_FALSE(end.machine.explain_warning(warning));
    warning.function = "LoadPublications";
    CHECK(end.machine.explain_warning(warning).value().what_to_do == remedy::remake_slot);

    replication_fsm again({.slot = "walcast", .publication = "walcast", .remake_slot = true}, read_before);
    (void)again.connected(version_15);
    (void)again.result(identify.answer);
    const auto next = again.result(slot_row().asked().answer);
    CHECK(std::get<replication_fsm::send_query>(next).text == drop.asks);
    CHECK(again.slot_lost().find("cannot be read") != std::string::npos);
}

TEST_CASE("the messages of a stream") {
    const auto message = "w\0\0\0\0\0\0\1\0"
                         "\0\0\0\0\0\0\0\0"
                         "\0\0\0\0\0\0\0\0payload"s; // what was parsed points into it
    const auto data = parse_replication_message(message);
    REQUIRE(data);
    CHECK(std::get<xlog_data>(*data).start == lsn{0x100});
    CHECK(std::get<xlog_data>(*data).bytes == "payload");
    const auto alive = parse_replication_message("k\0\0\0\1\0\0\0\2"
                                                 "\0\0\0\0\0\0\0\0\1"s);
    REQUIRE(alive);
    CHECK(std::get<keepalive>(*alive).log_end == lsn{0x1'0000'0002});
    CHECK(std::get<keepalive>(*alive).wants_reply);
    for (const auto &bad : {""s, "w"s, "k\0"s, "x"s + std::string(40, '\0'), "k"s + std::string(18, '\0')})
        CHECK_FALSE(parse_replication_message(bad).has_value());
    const auto update = make_status_update(lsn{0x0102}, lsn{0x03}, 946'684'800'000'001, true);
    CHECK(update == "r\0\0\0\0\0\0\1\2\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0\1\1"s);
}
