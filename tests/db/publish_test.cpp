#include "tests/db/site.hpp"

#include <doctest/doctest.h>
#include <pqxx/pqxx>
#include <string>

using namespace walcast;
using namespace walcast::testing;

TEST_CASE("publish() is a transactional message with topic and payload") {
    site at;
    at.migrate.up();
    at.sql("select pg_create_logical_replication_slot('walcast_test', 'pgoutput')");
    const auto publish = [&](const std::string &topic, const std::string &payload) {
        pqxx::nontransaction work(at.owner);
        return work.exec_params1("select walcast.publish($1, $2::jsonb)", topic, payload)[0]
            .as<std::string>();
    };
    const auto where = publish("message/\"ü\"", R"({"b": [1, null], "a": "x"})");
    {
        pqxx::work work(at.owner);
        work.exec("select walcast.publish('message/rolled-back', '1')");
    }
    pqxx::nontransaction(at.owner).exec("select walcast.publish('message/null', null)");
    publish(std::string(255, 't'), '"' + std::string(100'000, 'p') + '"');
    CHECK_THROWS_AS(publish("", "1"), pqxx::sql_error);
    CHECK_THROWS_AS(publish(std::string(256, 't'), "1"), pqxx::sql_error);
    CHECK_THROWS_AS(pqxx::nontransaction(at.owner).exec("select walcast.publish(null, '1')"),
                    pqxx::sql_error);
    at.sql("create role nobody_special login");
    pqxx::connection nobody(cluster().connection(at.name, "nobody_special"));
    CHECK_THROWS_AS(pqxx::nontransaction(nobody).exec("select walcast.publish('message/a', '1')"),
                    pqxx::insufficient_privilege);

    // pgoutput's Message: 'M', flags (1: transactional), LSN, prefix and a zero byte, length, content
    const auto rows =
        at.sql("select lsn::text, get_byte(data, 1), convert_from(substr(data, 11, 7), 'UTF8'),"
               " convert_from(substr(data, 23), 'UTF8') from pg_logical_slot_get_binary_changes("
               "'walcast_test', null, null, 'proto_version', '1', 'publication_names', 'walcast',"
               " 'messages', 'true') where get_byte(data, 0) = ascii('M')");
    REQUIRE(rows.size() == 3);
    CHECK(rows[0][0].as<std::string>() == where);
    CHECK(rows[0][1].as<int>() == 1);
    CHECK(rows[0][2].as<std::string>() == "walcast");
    CHECK(rows[0][3].as<std::string>() ==
          R"({"topic":"message/\"ü\"","payload":{"a": "x", "b": [1, null]}})");
    CHECK(rows[1][3].as<std::string>() == R"({"topic":"message/null","payload":null})");
    CHECK(rows[2][3].as<std::string>().size() > 100'000);

    at.sql("drop role nobody_special");
    at.migrate.down();
    CHECK(at.ask("select count(*) from pg_replication_slots where slot_name = 'walcast_test'") ==
          "1"); // no right
    CHECK(has(at.log.text(), "drop it as a superuser"));
    migrator(cluster().connection(at.name), migrations_directory(), at.log.log()).up();
    migrator(cluster().connection(at.name), migrations_directory(), at.log.log()).down();
    CHECK(at.ask("select count(*) from pg_replication_slots where slot_name = 'walcast_test'") == "0");
}
