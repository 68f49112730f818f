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

const line identify{"IDENTIFY_SYSTEM", rows({"7300000000000000001", "3", "16/B374D848", "arvados"})};
line slot(std::optional<std::string> plugin, std::optional<std::string> database,
          std::optional<std::string> status, const char *published = "t") {
    return {"SELECT s.plugin",
            rows({std::move(plugin), std::move(database), std::move(status), "16/8", published, "64"})};
}
const line create{R"(CREATE_REPLICATION_SLOT "walcast" LOGICAL pgoutput (SNAPSHOT 'nothing'))",
                  rows({"walcast", "16/9", {}, "pgoutput"})};
const line drop{R"(DROP_REPLICATION_SLOT "walcast")", done()};
line start(const std::string &from) {
    return {R"(START_REPLICATION SLOT "walcast" LOGICAL )" + from +
                " (proto_version '2', publication_names '\"walcast\"'",
            copying()};
}

struct played {
    replication_fsm machine;
    replication_fsm::action last;
};

/// Plays the script up to `stop`, where `instead` is answered.
played play(const std::vector<line> &script, lsn resume = {}, std::size_t stop = SIZE_MAX,
            const query_result &instead = {}) {
    played made{replication_fsm({.slot = "walcast", .publication = "walcast"}, resume), {}};
    made.last = made.machine.connected();
    for (std::size_t at = 0; at < script.size(); ++at) {
        const auto *query = std::get_if<replication_fsm::send_query>(&made.last);
        REQUIRE(query != nullptr);
        CHECK_MESSAGE(query->text.starts_with(script[at].asks), query->text);
        made.last = made.machine.result(at == stop ? instead : script[at].answer);
        if (at == stop)
            return made;
    }
    return made;
}

const std::vector<line> known_slot{identify, slot("pgoutput", "arvados", "reserved"), start("16/10")};
const std::vector<line> new_slot{identify, slot({}, {}, {}), create, start("0/0")};
const std::vector<line> lost_slot{identify, slot("pgoutput", "arvados", "lost"), drop, create, start("0/0")};

} // namespace

TEST_CASE("a slot that is there goes on where we stand") {
    const auto end = play(known_slot, lsn{0x16'0000'0010});
    CHECK(std::holds_alternative<replication_fsm::streaming>(end.last));
    CHECK(end.machine.system_identifier() == "7300000000000000001");
    CHECK(end.machine.timeline() == 3);
    CHECK(end.machine.log_end() == lsn{0x16'b374d848});
    CHECK(end.machine.slot_keep_bytes() == std::uint64_t{64} << 20);
    CHECK(end.machine.slot_begin() == lsn{0x16'0000'0008});
    CHECK_FALSE(end.machine.slot_created());
}

TEST_CASE("a slot is made when there is none, and made again when it is lost") {
    const auto made = play(new_slot, lsn{0x16'0000'0010});
    CHECK(std::holds_alternative<replication_fsm::streaming>(made.last));
    CHECK(made.machine.slot_created());
    CHECK(made.machine.slot_begin() == lsn{0x16'0000'0009});
    CHECK_FALSE(made.machine.slot_was_lost());
    const auto again = play(lost_slot);
    CHECK(std::holds_alternative<replication_fsm::streaming>(again.last));
    CHECK(again.machine.slot_was_lost());
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
                    play(*script, script == &known_slot ? lsn{0x16'0000'0010} : lsn{}, at, fault.answer);
                const auto *failure = std::get_if<replication_failure>(&end.last);
                REQUIRE(failure != nullptr);
                CHECK(failure->what_to_do == fault.what_to_do);
                CHECK_FALSE(failure->why.empty());
            }
}

TEST_CASE("answers that make no sense end the conversation") {
    for (const auto &answer : {done(), rows({}), rows({"only one"})})
        CHECK(std::holds_alternative<replication_failure>(play(known_slot, {}, 0, answer).last));
    CHECK(std::holds_alternative<replication_failure>(
        play(known_slot, lsn{0x16'0000'0010}, 1, rows({"a"})).last));
    CHECK(std::holds_alternative<replication_failure>(play(known_slot, lsn{0x16'0000'0010}, 2, done()).last));
}

TEST_CASE("streaming is asked for when it is wanted") {
    for (const bool wanted : {false, true}) {
        replication_fsm machine({.slot = "walcast", .publication = "walcast", .streaming = wanted}, {});
        (void)machine.connected();
        (void)machine.result(identify.answer);
        const auto last = machine.result(slot("pgoutput", "arvados", "reserved").answer);
        CHECK(std::get<replication_fsm::send_query>(last).text.ends_with(wanted ? "streaming 'on')"
                                                                                : "streaming 'off')"));
    }
}

TEST_CASE("somebody else's slot is left alone") {
    for (const auto &foreign :
         {slot("test_decoding", "arvados", "reserved"), slot("pgoutput", "other", "reserved")}) {
        const auto end = play({identify, foreign});
        const auto *failure = std::get_if<replication_failure>(&end.last);
        REQUIRE(failure != nullptr);
        CHECK(failure->what_to_do == remedy::give_up);
        CHECK(failure->why.find("Walcast.Slot") != std::string::npos);
    }
}

TEST_CASE("a missing publication names the command that makes it, and no slot is made meanwhile") {
    for (const auto &known : {slot("pgoutput", "arvados", "reserved", "f"), slot({}, {}, {}, "f")}) {
        const auto end = play({identify, known});
        const auto *failure = std::get_if<replication_failure>(&end.last);
        REQUIRE(failure != nullptr);
        CHECK(failure->what_to_do == remedy::give_up);
        CHECK(failure->why.find("walcast migrate up") != std::string::npos);
    }
}

TEST_CASE("a slot with changes from when there was no publication is made again") {
    const auto end = play(known_slot, lsn{0x16'0000'0010});
    CHECK(end.machine.explain(failing("42704")).what_to_do == remedy::remake_slot);
    CHECK(end.machine.explain(failing("57P01")).what_to_do == remedy::reconnect);

    replication_fsm again({.slot = "walcast", .publication = "walcast", .remake_slot = true}, {});
    (void)again.connected();
    (void)again.result(identify.answer);
    const auto next = again.result(slot("pgoutput", "arvados", "reserved").answer);
    CHECK(std::get<replication_fsm::send_query>(next).text == drop.asks);
    CHECK(again.slot_was_lost());
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
