#include "tests/db/site.hpp"

#include <doctest/doctest.h>
#include <pqxx/pqxx>
#include <string>

using namespace walcast;
using namespace walcast::testing;

TEST_CASE("walcast_relay may read what the relay needs and nothing else") {
    site at("postgres");
    at.migrate.up();
    CHECK(at.ask("select rolcanlogin::text || rolreplication::text || rolsuper::text from pg_roles"
                 " where rolname = 'walcast_relay'") == "falsetruefalse");
    const auto as_relay = [&](const std::string &statement) {
        pqxx::work work(at.superuser);
        work.exec("set local role walcast_relay");
        work.exec(statement);
    };
    for (const std::string fine :
         {"select * from logs", "select * from materialized_permissions",
          "select uuid, api_token from api_client_authorizations",
          "select uuid, manifest_text from collections", "select state, runtime_token from containers",
          "select name from container_requests", "select uuid from credentials",
          "select * from walcast.tables", "select walcast.publish('message/a', '1')", "listen logs"})
        CHECK_NOTHROW_MESSAGE(as_relay(fine), fine);
    for (const std::string refused :
         {"select secret_mounts from containers", "select * from container_requests",
          "select secret from credentials", "select last_used_by_ip_address from api_client_authorizations",
          "delete from logs", "update users set is_admin = true", "insert into frozen_groups values ('x')",
          "select * from container_ports", "create table walcast.mine ()", "select walcast.cover_step()"})
        CHECK_THROWS_AS_MESSAGE(as_relay(refused), pqxx::insufficient_privilege, refused);
    at.migrate.down();
}

TEST_CASE("the role is shared by the databases of a cluster") {
    site first("postgres");
    site second("postgres");
    const auto there = [&] {
        return first.ask("select count(*) from pg_roles where rolname = 'walcast_relay'");
    };
    first.migrate.up();
    second.migrate.up();
    CHECK(there() == "1");
    SUBCASE("the one that made it leaves it to the other") {
        first.migrate.down();
        CHECK(there() == "1");
        CHECK(has(first.log.text(), "needed in another database"));
        CHECK(second.ask("select has_table_privilege('walcast_relay', 'logs', 'select')") == "t");
        second.migrate.down();
        CHECK(there() == "1"); // not made by this one
        first.sql("drop role walcast_relay");
    }
    SUBCASE("the one that made it drops it as the last") {
        second.migrate.down();
        CHECK(there() == "1");
        first.migrate.down();
        CHECK(there() == "0");
    }
    SUBCASE("a role with members or a login stays") {
        first.sql("create role relay_of_the_site login in role walcast_relay");
        second.migrate.down();
        first.migrate.down();
        CHECK(there() == "1");
        CHECK(has(first.log.text(), "in use as a login or has members"));
        first.sql("drop role relay_of_the_site; drop role walcast_relay");
    }
}

TEST_CASE("a role that may not create roles is told what to do, and can do without") {
    site at;
    const auto before = cluster().dump_schema(at.name);
    at.migrate.up();
    CAPTURE(at.log.text());
    CHECK(has(at.log.text(), "as a superuser run \"create role walcast_relay nologin replication\"") !=
          has(at.log.text(), "role walcast_relay has no REPLICATION"));
    CHECK_NOTHROW(pqxx::nontransaction(at.owner).exec("select walcast.publish('message/a', '{}')"));
    at.sql("create role walcast_relay nologin replication");
    CHECK_FALSE(at.migrate.status().complete());
    at.migrate.up();
    CHECK(at.ask("select has_schema_privilege('walcast_relay', 'walcast', 'usage')") == "t");
    CHECK(at.ask("select has_column_privilege('walcast_relay', 'api_client_authorizations', 'api_token', "
                 "'select')") == "t");
    at.migrate.down();
    CHECK(first_difference(before, cluster().dump_schema(at.name)) == "");
    at.sql("drop role walcast_relay");
}
