#include "db/snapshot_reader.hpp"

#include "server/classes_yaml.hpp"
#include "tests/db/site.hpp"

#include <algorithm>
#include <chrono>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace walcast;
using namespace walcast::testing;
using namespace std::chrono_literals;

namespace {

const record_classes &classes() {
    static const auto all = load_record_classes(classes_file());
    return all;
}

uuid_text uuid_of(const record_class &of, int number) {
    return uuid_text(fmt::format("zzzzz-{}-{:015}", of.infix, number));
}

/// A database that walcast has been installed in, a connection with the rights of the relay, and a reader.
struct records_site : site {
    records_site()
        : site("postgres")
        , relay(cluster().connection(name)) {
        migrate.up();
        on_relay("set role walcast_relay");
    }
    ~records_site() { migrate.down(); }

    void on_relay(const std::string &statement) {
        pqxx::nontransaction work(relay);
        work.exec(statement);
    }
    record_page read(const std::vector<uuid_text> &objects) { return reader.read(relay, objects); }

    /// Inserts rows with a value of its type in every column. Text columns, also those that are secret, have
    /// the word hush if they are not to be read.
    void insert(const record_class &of, int first, int last) {
        std::string names, values;
        for (const auto &row :
             sql("select attname, format_type(atttypid, null) from pg_attribute where attnum > 0"
                 " and not attisdropped and attrelid = 'public." +
                 of.table + "'::regclass")) {
            const auto column = row[0].as<std::string>();
            names += (names.empty() ? "\"" : ", \"") + column + '"';
            values += (values.empty() ? "" : ", ") + value_for(of, column, row[1].as<std::string>());
        }
        sql(fmt::format("insert into {} ({}) select {} from generate_series({}, {}) n", of.table, names,
                        values, first, last));
    }

  private:
    static std::string value_for(const record_class &of, const std::string &column, const std::string &type) {
        const bool shown = std::count(of.published.begin(), of.published.end(), column) > 0;
        if (column == "uuid")
            return fmt::format("'zzzzz-{}-' || lpad(n::text, 15, '0')", of.infix);
        if (type == "bigint" || type == "integer")
            return "n";
        if (type == "boolean")
            return "n % 2 = 0";
        if (type == "double precision")
            return "n + 0.1";
        if (type.starts_with("timestamp"))
            return "'2026-11-02 03:04:05.678901'::timestamp";
        if (type == "jsonb")
            return shown ? "jsonb_build_object('a', n)" : R"('"hush"'::jsonb)";
        // Some are unique; some others are null here.
        if (shown && column == "description")
            return "null";
        return (shown ? "'it''s \"each\" '" : "'hush '") + std::string(" || n");
    }

  public:
    pqxx::connection relay;
    snapshot_reader reader{classes()};
};

row row_of(const transaction_ptr &of) {
    return of->new_row(of->changes()[0]);
}
const relation &table_of(const transaction_ptr &of) {
    return *of->changes()[0].table;
}
std::string text_of(const transaction_ptr &of, const std::string &name) {
    return std::string(row_of(of)[table_of(of).find(name)].bytes);
}

const record_class &of_table(const std::string &name) {
    return *classes().of_table("public", name);
}

} // namespace

TEST_CASE_FIXTURE(records_site, "rows of every class have what it publishes, and nothing else") {
    std::vector<uuid_text> wanted;
    for (const auto &of : classes().all()) {
        insert(of, 1, 3);
        wanted.push_back(uuid_of(of, 1));
        wanted.push_back(uuid_of(of, 2));
    }
    on_relay("set datestyle = 'SQL, DMY'"); // as a database may have it
    const auto page = read(wanted);
    CHECK(page.primary);
    CHECK(page.rows.size() == wanted.size());
    std::map<std::string, int> seen;
    for (const auto &row : page.rows) {
        REQUIRE(row->changes().size() == 1);
        CHECK(row->changes()[0].kind == change_kind::insert);
        CHECK((row->last() && row->commit() == page.insert_lsn));
        const auto &table = table_of(row);
        CAPTURE(table.name());
        ++seen[table.name()];
        const auto &of = of_table(table.name());
        CHECK(table.schema() == "public");
        CHECK(table.columns().size() == of.published.size());
        for (const auto &column : table.columns()) {
            CAPTURE(column.name);
            CHECK(std::count(of.published.begin(), of.published.end(), column.name) == 1);
            const auto where = " from " + table.name() + " where uuid = '" + text_of(row, "uuid") + "'";
            const auto kept = sql("select \"" + column.name + "\"" + where)[0][0];
            const auto got = row_of(row)[table.find(column.name)];
            CHECK(got.kind == (kept.is_null() ? value_kind::null : value_kind::text));
            CHECK(got.bytes == (kept.is_null() ? "" : kept.c_str()));
            CHECK(got.bytes.find("hush") == std::string::npos);
            CHECK(std::to_string(column.type) ==
                  ask("select atttypid from pg_attribute where attrelid = '" + table.name() +
                      "'::regclass and attname = '" + column.name + "'"));
        }
    }
    CHECK(seen.size() == classes().all().size());
}

TEST_CASE_FIXTURE(records_site, "the snapshot says whose changes the rows have") {
    const auto &links = of_table("links");
    insert(links, 1, 1);
    const std::vector<uuid_text> wanted{uuid_of(links, 1)};
    std::uint32_t xid = 0;
    {
        pqxx::work open(owner);
        open.exec("update links set name = 'later'");
        xid = static_cast<std::uint32_t>(
            std::stoull(open.exec1("select pg_current_xact_id()::text")[0].as<std::string>()));
        sql("create table unrelated ()"); // a later transaction that is over
        const auto page = read(wanted);
        REQUIRE(page.seen);
        CHECK_FALSE(page.seen->sees(xid));
        CHECK(page.seen->sees(xid - 1));
        CHECK(text_of(page.rows.at(0), "name") != "later");
        const auto bare = read({});
        REQUIRE(bare.seen);
        CHECK_FALSE(bare.seen->sees(xid));
        open.commit();
    }
    const auto end = parse_lsn(ask("select pg_current_wal_insert_lsn()"));
    for (const auto &objects : {wanted, {}}) {
        const auto page = read(objects);
        REQUIRE(page.seen);
        CHECK((page.primary && page.seen->sees(xid)));
        CHECK(page.insert_lsn >= *end);
        CHECK(page.rows.size() == objects.size());
    }
    CHECK(text_of(read(wanted).rows.at(0), "name") == "later");
}

TEST_CASE_FIXTURE(records_site, "rows are found by the index on uuid") {
    on_relay("set enable_seqscan = off");
    for (const auto &of : classes().all()) {
        insert(of, 1, 1);
        const auto page = read({uuid_of(of, 1)});
        REQUIRE(page.rows.size() == 1);
        std::vector<uuid_text> wanted;
        for (int number = 0; number < 1024; ++number)
            wanted.push_back(uuid_of(of, number));
        pqxx::nontransaction work(relay);
        std::string plan;
        for (const auto &row : work.exec("explain " + select_records(table_of(page.rows[0]), wanted)))
            plan += row[0].as<std::string>() + '\n';
        CHECK_MESSAGE(has(plan, "Index Cond: ((uuid)::text = ANY"), of.table);
        CHECK_MESSAGE(!has(plan, "Seq Scan"), of.table);
    }
}

TEST_CASE_FIXTURE(records_site, "columns and tables that a release does not have are left out") {
    const auto &containers = of_table("containers");
    insert(containers, 1, 1);
    const std::vector<uuid_text> wanted{uuid_of(containers, 1), uuid_of(of_table("credentials"), 1)};
    sql("alter table containers drop column published_ports cascade, drop column service cascade");
    sql("revoke select (cost) on containers from walcast_relay");
    sql("drop table credentials");
    const auto old = read(wanted);
    REQUIRE(old.rows.size() == 1);
    for (const auto *missing : {"published_ports", "service", "cost"})
        CHECK_MESSAGE(table_of(old.rows[0]).find(missing) == -1, missing);
    CHECK(table_of(old.rows[0]).columns().size() == containers.published.size() - 3);
    CHECK(&table_of(read(wanted).rows.at(0)) == &table_of(old.rows[0])); // known by its shape

    sql("alter table containers add column service boolean default true");
    sql("grant select (cost, service) on containers to walcast_relay");
    const auto now = read(wanted);
    CHECK(text_of(now.rows.at(0), "service") == "t");
    CHECK(table_of(now.rows[0]).find("cost") != -1);
}

TEST_CASE_FIXTURE(records_site, "what does not exist has no row") {
    const auto &groups = of_table("groups");
    insert(groups, 1, 1);
    const auto page = read({uuid_of(groups, 2), uuid_of(groups, 1), uuid_of(groups, 1), uuid_text("x"),
                            uuid_text("zzzzz-xxxxx-000000000000000"), uuid_text("zzzzz-j7d0g-00000'0}000000"),
                            uuid_text("zzzzz-gv0sa-000000000000000")});
    CHECK((page.rows.size() == 1 && page.seen));
    const auto none = read({uuid_text("x"), uuid_text()});
    CHECK((none.rows.empty() && none.seen && none.primary));
}

TEST_CASE_FIXTURE(records_site, "a thousand rows take four statements") {
    const auto &collections = of_table("collections");
    insert(collections, 1, 1100);
    std::vector<uuid_text> wanted;
    for (int number = 1; number <= 1024; ++number)
        wanted.push_back(uuid_of(collections, number));
    on_relay("reset role");
    on_relay("set log_statement = 'all'");
    const auto statements = [&] {
        std::ifstream file(cluster().directory() / "log");
        const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
        int count = 0;
        for (auto at = text.find("statement: "); at != text.npos; at = text.find("statement: ", at + 1))
            ++count;
        return count;
    };
    const auto before = statements();
    CHECK(read(wanted).rows.size() == 1024);
    const auto after = statements();
    CHECK(after - before == 4);
    static_cast<void>(read({}));
    CHECK(statements() - after == 1);
    on_relay("reset log_statement");
}

TEST_CASE_FIXTURE(records_site, "a table that is rewritten meanwhile does not seem to be empty") {
    const auto &links = of_table("links");
    insert(links, 1, 2);
    const std::vector<uuid_text> wanted{uuid_of(links, 1)};
    std::string problem;
    {
        pqxx::work open(owner);
        open.exec("alter table links alter column properties type jsonb using '{\"new\": 1}'");
        std::jthread reading([&] {
            try {
                static_cast<void>(read(wanted));
                problem = "none";
            } catch (const std::exception &error) {
                problem = error.what();
            }
        });
        while (ask("select count(*) from pg_locks where not granted and relation = 'links'::regclass") == "0")
            std::this_thread::sleep_for(5ms);
        open.commit();
    }
    CHECK(has(problem, "the table links was rewritten"));
    const auto page = read(wanted); // the connection is as good as before
    REQUIRE(page.rows.size() == 1);
    CHECK(text_of(page.rows[0], "properties") == "{\"new\": 1}");
    sql("truncate links");
    CHECK(read(wanted).rows.empty());
}

TEST_CASE("a standby is not read") {
    private_postgres server;
    server.create_database("arvados");
    server.stop();
    std::ofstream(server.directory() / "data" / "standby.signal").flush();
    server.start();
    pqxx::connection on(server.connection("arvados"));
    snapshot_reader reader(classes());
    for (const auto &objects : {std::vector<uuid_text>{}, {uuid_of(of_table("links"), 1)}}) {
        const auto page = reader.read(on, objects);
        CHECK_FALSE(page.primary);
        CHECK_FALSE(page.seen);
        CHECK_FALSE(page.insert_lsn);
        CHECK(page.rows.empty());
    }
}
