#include "db/migrate.hpp"
#include "db/secret_columns.hpp"
#include "server/feed/relation.hpp"
#include "tests/db/cluster.hpp"
#include "tests/support/captured_log.hpp"

#include <doctest/doctest.h>
#include <map>
#include <pqxx/pqxx>
#include <set>
#include <string>
#include <yaml-cpp/yaml.h>

using namespace walcast;
using namespace walcast::testing;

namespace {

using names = std::set<std::string>;

/// The names in a list of the file, none of them twice.
names list(const YAML::Node &of, const char *key) {
    names found;
    if (of[key])
        for (const auto &name : of[key])
            CHECK_MESSAGE(found.insert(name.as<std::string>()).second, name.as<std::string>());
    return found;
}

/// Each table's names, from a query for (table, name).
std::map<std::string, names> query(pqxx::connection &server, const std::string &statement) {
    pqxx::nontransaction work(server);
    std::map<std::string, names> found;
    for (const auto &row : work.exec(statement))
        found[row[0].as<std::string>()].insert(row[1].as<std::string>());
    return found;
}

bool holds(const names &all, const names &some) {
    return std::includes(all.begin(), all.end(), some.begin(), some.end());
}

bool apart(const names &one, const names &other) {
    return std::none_of(one.begin(), one.end(), [&](const auto &name) { return other.contains(name); });
}

} // namespace

TEST_CASE("schema/classes.yaml, the tables of Arvados and the publication agree") {
    const auto database = new_database();
    captured_log log;
    migrator(cluster().connection(database), migrations_directory(), log.log()).up();
    pqxx::connection server(cluster().connection(database));
    const auto columns = query(server, "select table_name, column_name from information_schema.columns"
                                       " where table_schema = 'public'");
    const auto text_columns = query(server, "select table_name, column_name from information_schema.columns"
                                            " where table_schema = 'public' and data_type = 'text'");
    const auto published = query(server, "select tablename, unnest(attnames) from pg_publication_tables"
                                         " where pubname = 'walcast' and schemaname = 'public'");
    const auto listed = query(server, "select name, unnest(columns) from walcast.tables");
    const auto readable =
        query(server, "select table_name, column_name from information_schema.column_privileges"
                      " where grantee = 'walcast_relay' and privilege_type = 'SELECT'");
    const auto keys =
        query(server, "select i.indrelid::regclass, a.attname from pg_index i join pg_attribute a"
                      " on a.attrelid = i.indrelid and a.attnum = any (i.indkey)"
                      " where i.indisprimary and i.indrelid::regclass::text !~ '[.]'");

    const auto file = YAML::LoadFile(std::string(WALCAST_SOURCE_ROOT) + "/schema/classes.yaml");
    names tables;
    names infixes;
    for (const auto &of : file["classes"]) {
        const auto table = of["table"].as<std::string>();
        CAPTURE(table);
        CHECK(tables.insert(table).second);
        CHECK(infixes.insert(of["uuid_infix"].as<std::string>()).second);
        CHECK(of["uuid_infix"].as<std::string>().size() == 5);
        CHECK(of["class"].as<std::string>().starts_with("arvados#"));
        REQUIRE(columns.contains(table));
        REQUIRE(published.contains(table));

        // Each column of the table stands in exactly one list.
        const auto ours = list(of, "published");
        const auto on_demand = list(of, "on_demand");
        const auto secret = list(of, "secret");
        const auto withheld = list(of, "withheld");
        names all = ours;
        for (const auto *more : {&on_demand, &secret, &withheld})
            all.insert(more->begin(), more->end());
        CHECK(all == columns.at(table));
        CHECK(all.size() == ours.size() + on_demand.size() + secret.size() + withheld.size());

        CHECK(holds(published.at(table), ours));
        CHECK(apart(published.at(table), secret));
        for (const auto &name : all) // what is dropped when somebody publishes it after all
            CHECK_MESSAGE(is_secret(table, name) == secret.contains(name), name);
        CHECK(apart(published.at(table), on_demand));
        if (listed.contains(table))
            CHECK(published.at(table) == ours);
        else
            CHECK_MESSAGE(secret.empty(), "a table with secrets has a column list");
        CHECK(holds(readable.at(table), ours));
        CHECK(holds(readable.at(table), on_demand));

        CHECK(keys.at(table) == names{of["key"].as<std::string>()});
        CHECK((of["owner"].IsNull() || ours.contains(of["owner"].as<std::string>())));
        CHECK(ours.contains("uuid"));
        for (const auto &name : list(of, "serialized"))
            CHECK_MESSAGE((ours.contains(name) && text_columns.at(table).contains(name)), name);
    }
    for (const auto &of : file["classes_without_table"])
        CHECK(infixes.insert(of["uuid_infix"].as<std::string>()).second);
    for (const auto &of : file["permission_tables"]) {
        const auto table = of["table"].as<std::string>();
        CAPTURE(table);
        CHECK(tables.insert(table).second);
        CHECK(list(of, "columns") == columns.at(table));
        CHECK(list(of, "columns") == published.at(table));
        CHECK_FALSE(keys.contains(table));
    }

    // Otherwise the whole stream is asked for as text.
    const auto types =
        query(server, "select a.attname, a.atttypid from pg_publication_tables t join pg_attribute a"
                      " on a.attrelid = t.tablename::regclass and a.attname = any (t.attnames)"
                      " where t.pubname = 'walcast'");
    for (const auto &[name, of] : types)
        for (const auto &type : of)
            CHECK_MESSAGE(pg_type::binary_known(static_cast<std::uint32_t>(std::stoul(type))), name);

    names published_tables;
    for (const auto &[table, unused] : published)
        published_tables.insert(table);
    CHECK(tables == published_tables);

    // What facts say is secret, said once more: a mistake in the file must not be enough to send it.
    for (const auto &[table, name] :
         std::map<std::string, std::string>{{"api_client_authorizations", "api_token"},
                                            {"containers", "secret_mounts"},
                                            {"container_requests", "runtime_token"},
                                            {"credentials", "secret"}})
        CHECK_FALSE(published.at(table).contains(name));
    migrator(cluster().connection(database), migrations_directory(), log.log()).down();
}
