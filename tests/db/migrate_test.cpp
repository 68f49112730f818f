#include "db/migrate.hpp"

#include "db/migrate_error.hpp"
#include "tests/db/site.hpp"

#include <doctest/doctest.h>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <pqxx/pqxx>
#include <string>
#include <thread>
#include <unistd.h>

using namespace walcast;
using namespace walcast::testing;

namespace {

/// What a migration is expected to say when it fails; empty when it does not fail.
template <class Function>
std::string complaint(Function &&call) {
    try {
        call();
    } catch (const migrate_error &problem) {
        CHECK(std::string(problem.what()).find('\n') == std::string::npos);
        return problem.what();
    }
    return {};
}

/// A copy of the migrations that a test may spoil.
struct spoiled_migrations {
    spoiled_migrations() {
        std::string name = "/tmp/walcast-migrations-XXXXXX";
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        directory = name;
        std::filesystem::copy(migrations_directory(), directory);
    }
    ~spoiled_migrations() { std::filesystem::remove_all(directory); }

    void append(const std::string &file, const std::string &text) const {
        std::ofstream(directory / file, std::ios::app) << text;
    }

    std::filesystem::path directory;
};

} // namespace

TEST_CASE("down restores the schema to the last byte") {
    for (const std::string role : {"arvados", "postgres"}) {
        CAPTURE(role);
        site at(role);
        at.sql("alter table trashed_groups replica identity nothing;"
               "alter table frozen_groups alter uuid set not null;"
               "alter table frozen_groups replica identity using index index_frozen_groups_on_uuid;"
               "grant select on groups to public; grant select (uuid) on users to public");
        const auto before = cluster().dump_schema(at.name);
        at.migrate.up();
        CHECK(at.identity("trashed_groups") == "f");
        CHECK(at.identity("frozen_groups") == "f");
        CHECK(at.migrate.status().complete());
        CHECK(first_difference(before, cluster().dump_schema(at.name)) != "");
        at.migrate.down();
        CHECK(first_difference(before, cluster().dump_schema(at.name)) == "");
        CHECK(at.identity("trashed_groups") == "n");
        CHECK(at.identity("frozen_groups") == "i");
    }
}

TEST_CASE("up and down can be repeated") {
    site at;
    at.migrate.down();
    CHECK(has(at.log.text(), "nothing to undo"));
    at.migrate.up();
    const auto after_first = cluster().dump_schema(at.name);
    at.migrate.up();
    CHECK(first_difference(after_first, cluster().dump_schema(at.name)) == "");
    at.migrate.down();
    at.migrate.up();
    CHECK(at.migrate.status().complete());
    CHECK(first_difference(after_first, cluster().dump_schema(at.name)) == "");
}

TEST_CASE("status tells what is pending, applied, changed and unknown") {
    site at;
    auto report = at.migrate.status();
    REQUIRE(report.migrations.size() == 4);
    CHECK_FALSE(report.complete());
    CHECK(report.migrations[0].name == "0001_tables");
    CHECK(report.migrations[0].state == migration_state::pending);
    at.migrate.up();
    report = at.migrate.status();
    CHECK(report.complete());
    CHECK(report.notes.empty());
    CHECK(report.migrations[0].state == migration_state::applied);
    CHECK_FALSE(report.migrations[0].applied_at.empty());

    spoiled_migrations spoiled;
    spoiled.append("0002_role.down.sql", "select 1;\n");
    std::filesystem::remove(spoiled.directory / "0004_publish.up.sql");
    std::filesystem::remove(spoiled.directory / "0004_publish.down.sql");
    migrator other(cluster().connection(at.name), spoiled.directory, at.log.log());
    report = other.status();
    REQUIRE(report.migrations.size() == 4);
    CHECK(report.migrations[1].state == migration_state::changed);
    CHECK(report.migrations[3].state == migration_state::unknown);
}

TEST_CASE("an applied file that was changed or is gone stops up and down") {
    site at;
    at.migrate.up();
    spoiled_migrations spoiled;
    migrator other(cluster().connection(at.name, "arvados"), spoiled.directory, at.log.log());
    spoiled.append("0003_publication.up.sql", "-- later thought\n");
    CHECK(has(complaint([&] { other.up(); }), "migration 0003_publication was changed after it was applied"));
    CHECK(has(complaint([&] { other.down(); }), "0003_publication.up.sql"));
    std::filesystem::remove(spoiled.directory / "0003_publication.up.sql");
    CHECK(has(complaint([&] { other.up(); }),
              "migration 0003_publication in " + spoiled.directory.string() + " lacks its up.sql"));
    std::filesystem::remove(spoiled.directory / "0003_publication.down.sql");
    CHECK(has(complaint([&] { other.down(); }), "applied by another version"));
    CHECK(at.migrate.status().complete());
}

TEST_CASE("a migration that fails takes effect not at all, and the next up goes on from there") {
    site at;
    const auto before = cluster().dump_schema(at.name);
    spoiled_migrations spoiled;
    {
        std::ofstream(spoiled.directory / "0005_more.up.sql")
            << "create table walcast.more(); select 1 / 0;\n";
        std::ofstream(spoiled.directory / "0005_more.down.sql") << "drop table walcast.more;\n";
    }
    migrator other(cluster().connection(at.name, "arvados"), spoiled.directory, at.log.log());
    CHECK(complaint([&] { other.up(); }) == "migration 0005_more: division by zero");
    CHECK(at.ask("select to_regclass('walcast.more')") == "null");
    CHECK(at.migrate.status().migrations[3].state == migration_state::applied);
    std::ofstream(spoiled.directory / "0005_more.up.sql") << "create table walcast.more();\n";
    other.up();
    CHECK(other.status().complete());
    other.down();
    CHECK(first_difference(before, cluster().dump_schema(at.name)) == "");
}

TEST_CASE("what cannot be migrated says why in one line") {
    captured_log log;
    const auto up = [&](const std::string &connection) {
        return complaint([&] { migrator(connection, migrations_directory(), log.log()).up(); });
    };
    {
        site at;
        at.sql("create role stranger login");
        CHECK(has(up(cluster().connection(at.name, "stranger")),
                  "role \"stranger\" does not own the tables of Arvados: "
                  "migrate as role \"arvados\""));
        at.sql("alter database " + at.name + " owner to postgres");
        CHECK(has(up(cluster().connection(at.name, "arvados")),
                  "grant create on database \"" + at.name + "\" to \"arvados\""));
        at.sql("create schema walcast");
        CHECK(has(up(cluster().connection(at.name)), "a schema \"walcast\" that is not ours"));
        at.sql("drop schema walcast; drop role stranger");
    }
    CHECK(has(up(cluster().connection("postgres")), "\"postgres\" is not an Arvados database"));
    CHECK(has(up(cluster().connection("nowhere")), "cannot connect to PostgreSQL: "));
    CHECK(has(up("host=/tmp/nowhere"), "cannot connect to PostgreSQL: "));
    const auto garbled = up("host=localhost password=se cret");
    CHECK(has(garbled, "check PostgreSQL.Connection"));
    CHECK_FALSE(has(garbled, "cret"));
    const auto empty = complaint([&] { migrator(cluster().connection(), "/nowhere", log.log()).up(); });
    CHECK(has(empty, "cannot read the migrations in /nowhere"));
}

TEST_CASE("an older Arvados lacks tables and columns: what exists is covered, the rest is told") {
    site at;
    at.sql("drop table credentials; alter table containers drop column published_ports;"
           "alter table collections drop constraint collections_pkey");
    at.migrate.up();
    const auto report = at.migrate.status();
    CHECK(report.complete());
    REQUIRE(report.notes.size() == 3);
    CHECK(report.notes[0] ==
          "column published_ports of table containers is left out: there is no such column");
    CHECK(has(report.notes[1], "table collections is left out: it has no primary key"));
    CHECK(report.notes[2] == "table credentials is left out: there is no such table");
    CHECK(has(at.log.text(), report.notes[2]));
    CHECK(at.ask("select count(*) from pg_publication_tables where pubname = 'walcast'") == "14");

    at.sql("create table credentials (uuid varchar primary key, secret text)");
    CHECK(has(at.migrate.status().notes[2], "credentials is left out: it belongs to role postgres"));
    at.sql("drop table credentials");

    // The upgrade brings them; the next up covers them.
    pqxx::nontransaction(at.owner).exec(
        "create table credentials (uuid varchar primary key, secret text not null, name varchar);"
        "alter table containers add column published_ports jsonb; alter table collections add primary key "
        "(id)");
    CHECK(at.migrate.status().steps.size() >= 3);
    at.migrate.up();
    CHECK(at.migrate.status().complete());
    CHECK(at.ask("select attnames from pg_publication_tables where tablename = 'credentials'") ==
          "{uuid,name}");
    CHECK(at.ask("select 'published_ports' = any (attnames) from pg_publication_tables where tablename = "
                 "'containers'") == "t");
}

TEST_CASE("an Arvados migration makes materialized_permissions anew: harmless, and up covers it again") {
    site at;
    const auto before = cluster().dump_schema(at.name);
    at.migrate.up();
    pqxx::nontransaction(at.owner).exec(
        "begin; alter table materialized_permissions rename to old_permissions;"
        "create table materialized_permissions (like old_permissions including all);"
        "insert into materialized_permissions select * from old_permissions; drop table old_permissions; "
        "commit;"
        "delete from materialized_permissions; update materialized_permissions set perm_level = 1 where "
        "false");
    CHECK(at.identity("materialized_permissions") == "d");
    const auto steps = at.migrate.status().steps;
    REQUIRE_FALSE(steps.empty());
    CHECK(steps[0] == "identity materialized_permissions");
    at.migrate.up();
    CHECK(at.identity("materialized_permissions") == "f");
    CHECK(at.migrate.status().complete());
    at.migrate.down();
    CHECK(at.identity("materialized_permissions") == "d");
}

TEST_CASE("a table whose replica identity forbids a column list is taken out, not broken") {
    site at;
    at.migrate.up();
    at.sql("alter table containers replica identity full"); // from here on Arvados' updates fail, until up
    at.migrate.up();
    const auto report = at.migrate.status();
    REQUIRE(report.notes.size() == 1);
    CHECK(has(report.notes[0], "run \"alter table public.containers replica identity default\""));
    CHECK_NOTHROW(pqxx::nontransaction(at.owner).exec("update containers set state = 'Queued'"));

    // A unique index on the secret must not become the reason to publish it.
    at.sql("alter table api_client_authorizations replica identity using index "
           "index_api_client_authorizations_on_api_token");
    at.migrate.up();
    CHECK(
        at.ask("select count(*) from pg_publication_tables where tablename = 'api_client_authorizations'") ==
        "0");
    CHECK_NOTHROW(pqxx::nontransaction(at.owner).exec("delete from api_client_authorizations"));
}

TEST_CASE("down leaves a full identity that another publication needs") {
    site at;
    at.migrate.up();
    at.sql("create publication other for table materialized_permissions");
    at.migrate.down();
    CHECK(at.identity("materialized_permissions") == "f");
    CHECK(at.identity("trashed_groups") == "d");
    CHECK(has(at.log.text(), "another publication needs it"));
    CHECK_NOTHROW(pqxx::nontransaction(at.owner).exec("delete from materialized_permissions"));
}

TEST_CASE("a table in use: up gives up after its patience, has blocked nobody for long, and goes on later") {
    using namespace std::chrono_literals;
    site at("arvados", {50ms, 200ms, 1'500ms});
    {
        pqxx::work reader(at.superuser);
        reader.exec("select count(*) from materialized_permissions");
        std::jthread others([&](const std::stop_token &stop) {
            pqxx::connection connection(cluster().connection(at.name, "arvados"));
            while (!stop.stop_requested()) {
                const auto began = std::chrono::steady_clock::now();
                pqxx::nontransaction(connection).exec("select count(*) from materialized_permissions");
                CHECK(std::chrono::steady_clock::now() - began < 1s);
            }
        });
        const auto why = complaint([&] { at.migrate.up(); });
        CAPTURE(why);
        CHECK(has(why, "given up after 1 s: canceling statement due to lock timeout (process "));
    }
    CHECK(at.identity("materialized_permissions") == "d");
    at.migrate.up();
    CHECK(at.migrate.status().complete());
}

TEST_CASE("two at the same time wait for each other") {
    site at;
    std::vector<std::jthread> both;
    for (int each = 0; each < 2; ++each)
        both.emplace_back([&] {
            CHECK_NOTHROW(
                migrator(cluster().connection(at.name, "arvados"), migrations_directory(), at.log.log())
                    .up());
        });
    both.clear();
    CHECK(at.migrate.status().complete());
    CHECK(at.ask("select count(*) from walcast.migrations") == "4");
}
