#include "db/decode_error.hpp"
#include "tests/unit/db/assembler_fixture.hpp"
#include "tests/unit/db/recorded_postgresql_15.hpp"

using namespace walcast;

namespace {
std::string from_hex(std::string_view digits) {
    std::string bytes;
    for (std::size_t at = 0; at + 1 < digits.size(); at += 2)
        bytes += static_cast<char>(std::stoi(std::string(digits.substr(at, 2)), nullptr, 16));
    return bytes;
}

std::string number(std::uint32_t value, unsigned bytes) {
    const auto eight = pgout::i64(value);
    return eight.substr(8 - bytes);
}

/// The same, without the places in the log, which say nothing.
lines changes_of(lines all) {
    for (auto &each : all)
        each = each.starts_with("end") ? "end" : each.substr(each.find('.') + 1);
    return all;
}
} // namespace

/// create type mood as enum ('sad','ok');
/// create table t(id bigint primary key, name text, m mood, big text);
/// alter table t alter column big set storage external;
/// create table f(id int, name text); alter table f replica identity full;
/// insert into t values (1,'one','ok',repeat('x',2040)),(2,null,null,null);
/// update t set name='uno' where id=1;
/// update t set id=3 where id=1;
/// delete from t where id=2;
/// insert into f values (1,'a'),(2,null); update f set name='b' where id=1; delete from f where id=2;
/// select pg_logical_emit_message(true,'walcast/x','hello'); (false,'walcast','at once');
/// (true,'other','no'); alter table t add column extra int; insert into t(id,extra) values (10,5); alter
/// table t rename column name to title; insert into t(id,title) values (11,'renamed'); alter table t drop
/// column m; insert into t(id,title) values (12,'dropped'); truncate t, f; begin; insert into t(id) values
/// (20); savepoint s; insert into t(id) values (21); rollback to s;
///     insert into t(id) values (22); commit;
/// begin; insert into f values (30,'x'); prepare transaction 'g1'; commit prepared 'g1';
struct recording_fixture : assembler_fixture {
    recording_fixture()
        : assembler_fixture({.only_known_binary = false}) {} // there is an enum in it
};

TEST_CASE_FIXTURE(recording_fixture, "what PostgreSQL 15 sent is read as what was done") {
    for (const auto *each : recorded_postgresql_15)
        send({from_hex(each)});
    const auto t = [](std::uint32_t id) { return "t " + number(id, 8); };
    const auto f = [](std::uint32_t id) { return "f " + number(id, 4); };
    // clang-format off
    CHECK(changes_of(taken()) == lines{
        "0 insert " + t(1) + ",one,ok," + std::string(2040, 'x'), "1 insert " + t(2) + ",-,-,-", "end",
        "0 update " + t(1) + ",uno,ok,~", "end",
        "0 update " + t(3) + ",uno,ok,~|" + number(1, 8) + ",.,.,.", "end",
        "0 delete t |" + number(2, 8) + ",.,.,.", "end",
        "0 insert " + f(1) + ",a", "1 insert " + f(2) + ",-", "end",
        "0 update " + f(1) + ",b|" + number(1, 4) + ",a", "end",
        "0 delete f |" + number(2, 4) + ",-", "end",
        "0 message walcast/x hello", "end",
        "0 insert " + t(10) + ",-,-,-," + number(5, 4), "end",
        "0 insert " + t(11) + ",renamed,-,-,-", "end",
        "0 insert " + t(12) + ",dropped,-,-", "end",
        "0 truncate t ", "1 truncate f ", "end",
        "0 insert " + t(20) + ",-,-,-", "1 insert " + t(22) + ",-,-,-", "end",
        "0 insert " + f(30) + ",x", "end"});
    // clang-format on
    CHECK(assembler.counts().non_transactional_messages == 1);
    CHECK(assembler.counts().foreign_messages == 1);
    CHECK(assembler.empty_transactions() == 1);
}

TEST_CASE_FIXTURE(assembler_fixture, "the binary form of a type of the database's own is refused") {
    for (const auto *each : recorded_postgresql_15)
        if (const auto error = try_send(from_hex(each))) {
            CHECK(error == decode_error::unknown_binary);
            CHECK(taken().empty());
            return;
        }
    FAIL("the enum was taken for what it is not");
}

TEST_CASE_FIXTURE(assembler_fixture, "secrets that the server sends are dropped") {
    send({pgout::begin(9, 100),
          pgout::describe({}, 7, "containers", {{"id", true}, {"runtime_token"}, {"state"}}, 'f'),
          pgout::insert({}, 7, {"1", "s3cret", "Queued"}),
          pgout::update({}, 7, 'O', {"1", "s3cret", "Queued"}, {"1", "s3cret2", "Running"}),
          pgout::remove({}, 7, 'O', {"1", "s3cret2", "Running"}), pgout::commit(100, 120)});
    CHECK(changes_of(taken()) == lines{"0 insert containers 1,.,Queued",
                                       "1 update containers 1,.,Running|1,.,Queued",
                                       "2 delete containers |1,.,Running", "end"});
}
