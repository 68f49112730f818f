#include "db/migrate.hpp"
#include "db/migrate_error.hpp"
#include "tests/db/arvados_workload.hpp"
#include "tests/db/cluster.hpp"
#include "tests/support/captured_log.hpp"

#include <chrono>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <map>
#include <mutex>
#include <pqxx/pqxx>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>

using namespace walcast;
using namespace walcast::testing;
using namespace std::chrono_literals;

namespace {

/// A slot on the publication that is read all the time, as a running relay does. While there is no
/// publication, the slot cannot be decoded and is made anew, again as the relay does.
class slot_reader {
  public:
    explicit slot_reader(const std::string &connection)
        : thread_([this, connection](const std::stop_token &stop) { read(connection, stop); }) {}
    ~slot_reader() {
        thread_.request_stop();
        thread_.join();
    }

    slot_reader(const slot_reader &) = delete;
    slot_reader &operator=(const slot_reader &) = delete;

    /// Messages by pgoutput's letter, and the tables seen in Relation messages.
    [[nodiscard]] std::map<char, unsigned> messages() {
        const std::scoped_lock lock(mutex_);
        return messages_;
    }
    [[nodiscard]] std::set<std::string> tables() {
        const std::scoped_lock lock(mutex_);
        return tables_;
    }

  private:
    void read(const std::string &connection, const std::stop_token &stop) {
        pqxx::connection server(connection);
        bool have_slot = false;
        while (!stop.stop_requested()) {
            try {
                pqxx::nontransaction work(server);
                if (!std::exchange(have_slot, true))
                    work.exec("select pg_create_logical_replication_slot('statements', 'pgoutput', true)");
                for (const auto &row :
                     work.exec("select chr(get_byte(data, 0)), case get_byte(data, 0) when ascii('R') then"
                               " split_part(encode(substr(data, 6), 'escape'), '\\000', 2) end"
                               " from pg_logical_slot_get_binary_changes('statements', null, 20000, "
                               "'proto_version', '1',"
                               " 'publication_names', 'walcast', 'messages', 'true')")) {
                    const std::scoped_lock lock(mutex_);
                    ++messages_[row[0].as<std::string>()[0]];
                    if (!row[1].is_null())
                        tables_.insert(row[1].as<std::string>());
                }
            } catch (const pqxx::sql_error &) {
                std::this_thread::sleep_for(20ms);
                pqxx::nontransaction work(server);
                work.exec("select pg_drop_replication_slot(slot_name) from pg_replication_slots"
                          " where slot_name = 'statements'");
                have_slot = false;
            }
        }
    }

    std::mutex mutex_; ///< guards messages_ and tables_
    std::map<char, unsigned> messages_;
    std::set<std::string> tables_;
    std::jthread thread_;
};

std::string first_of(const std::vector<std::string> &failures) {
    return failures.empty() ? ""
                            : fmt::format("{} failures, the first: {}", failures.size(), failures.front());
}

/// Waits until a question is answered with true.
void await(const std::string &connection, const std::string &question) {
    pqxx::connection server(connection);
    for (const auto until = std::chrono::steady_clock::now() + 30s;
         std::chrono::steady_clock::now() < until;) {
        pqxx::nontransaction work(server);
        if (work.exec1(question)[0].as<bool>())
            return;
        std::this_thread::sleep_for(2ms);
    }
    throw std::runtime_error("never true: " + question);
}

} // namespace

TEST_CASE("no statement of Arvados fails before, during and after up and down, while the slot is read") {
    const auto database = new_database();
    const auto owner = cluster().connection(database, "arvados");
    const auto before = cluster().dump_schema(database);
    captured_log log;
    {
        arvados_workload arvados(owner);
        arvados.await_rounds(2);
        REQUIRE_MESSAGE(arvados.failures().empty(), first_of(arvados.failures()));

        slot_reader relay(cluster().connection(database));
        // As superuser and as Arvados' own role: grants, and their locks, are part of the first only.
        for (const std::string role : {"postgres", "arvados", "postgres"}) {
            CAPTURE(role);
            migrator migrate(cluster().connection(database, role), migrations_directory(), log.log());
            migrate.up();
            arvados.await_rounds(2);
            CHECK_MESSAGE(arvados.failures().empty(), first_of(arvados.failures()));
            migrate.up(); // materialized_permissions has been made anew meanwhile
            arvados.await_rounds(1);
            migrate.down();
            arvados.await_rounds(1);
            CHECK_MESSAGE(arvados.failures().empty(), first_of(arvados.failures()));
        }
        for (const char kind : {'B', 'C', 'I', 'U', 'D', 'T'})
            CHECK_MESSAGE(relay.messages()[kind] > 0, std::string(1, kind));
        for (const std::string table : {"materialized_permissions", "trashed_groups", "frozen_groups", "logs",
                                        "users", "collections", "api_client_authorizations", "credentials"})
            CHECK_MESSAGE(relay.tables().contains(table), table);
        for (const auto &[script, rounds] : arvados.rounds())
            CHECK_MESSAGE(rounds > 0, script);
    }
    CHECK(first_difference(before, cluster().dump_schema(database)) == "");
}

TEST_CASE("a transaction of Arvados that holds one table gets the next one, whatever up waits for") {
    const auto database = new_database();
    pqxx::connection arvados(cluster().connection(database, "arvados"));
    captured_log log;
    std::jthread up;
    {
        pqxx::work work(arvados);
        work.exec("delete from trashed_groups");
        up = std::jthread([&] {
            CHECK_NOTHROW(migrator(cluster().connection(database), migrations_directory(), log.log()).up());
        });
        await(cluster().connection(database), "select exists (select from pg_locks where not granted"
                                              " and relation = 'trashed_groups'::regclass)");
        // If the same transaction of up held materialized_permissions, this were a deadlock.
        CHECK_NOTHROW(work.exec("insert into materialized_permissions values ('u', 't', 1, true)"));
        CHECK_NOTHROW(work.exec("lock table materialized_permissions in access exclusive mode"));
        work.commit();
    }
    up.join();
    CHECK_NOTHROW(migrator(cluster().connection(database), migrations_directory(), log.log()).down());
}

TEST_CASE("create index concurrently is not the loser of a deadlock with up") {
    const auto database = new_database();
    captured_log log;
    pqxx::connection writer(cluster().connection(database, "arvados"));
    std::jthread index;
    std::jthread up;
    {
        // A writer keeps the index from its first phase, with its lock on links taken, until up waits for
        // that lock. Later it waits for every snapshot that is older than its last phase: up must have none.
        pqxx::work work(writer);
        work.exec("delete from links where false");
        index = std::jthread([&] {
            pqxx::connection arvados(cluster().connection(database, "arvados"));
            CHECK_NOTHROW(
                pqxx::nontransaction(arvados).exec("create index concurrently more on links (name)"));
        });
        await(cluster().connection(database),
              "select exists (select from pg_locks where mode = 'ShareUpdateExclusiveLock'"
              " and granted and relation = 'links'::regclass)");
        up = std::jthread([&] {
            CHECK_NOTHROW(
                migrator(cluster().connection(database), migrations_directory(), log.log(), {1s, 1s, 60s})
                    .up());
        });
        await(cluster().connection(database), "select exists (select from pg_locks where not granted"
                                              " and relation = 'links'::regclass)");
        // Who waits looks for a deadlock once, after deadlock_timeout. Past that of up, the index would be
        // the loser.
        std::this_thread::sleep_for(200ms);
    }
    index.join();
    up.join();
    CHECK_NOTHROW(migrator(cluster().connection(database), migrations_directory(), log.log()).down());
}

TEST_CASE("up does not wait for an autovacuum to finish") {
    const auto database = new_database();
    const auto owner = cluster().connection(database, "arvados");
    captured_log log;
    pqxx::connection arvados(owner);
    pqxx::nontransaction(arvados).exec(
        "insert into materialized_permissions select 'u' || i, 't', 1, true from generate_series(1, 20000) i;"
        "delete from materialized_permissions;"
        "alter table materialized_permissions set (autovacuum_vacuum_threshold = 1, "
        "autovacuum_vacuum_cost_limit = 1,"
        " autovacuum_vacuum_cost_delay = 100)");
    await(cluster().connection(),
          "select exists (select from pg_stat_progress_vacuum where datname = '" + database + "')");
    // At this pace the vacuum would take more than a minute, and it starts again whenever it was cancelled.
    const auto began = std::chrono::steady_clock::now();
    CHECK_NOTHROW(migrator(owner, migrations_directory(), log.log()).up());
    CHECK(std::chrono::steady_clock::now() - began < 40s);
    pqxx::nontransaction(arvados).exec("alter table materialized_permissions reset "
                                       "(autovacuum_vacuum_threshold, autovacuum_vacuum_cost_limit,"
                                       " autovacuum_vacuum_cost_delay)");
    CHECK_NOTHROW(migrator(owner, migrations_directory(), log.log()).down());
}

TEST_CASE("the workload notices a careless publication") {
    const auto database = new_database();
    const auto owner = cluster().connection(database, "arvados");
    const auto try_publication = [&](const std::string &made) {
        pqxx::connection server(owner);
        pqxx::nontransaction(server).exec("create publication careless for " + made);
        std::string failures;
        {
            arvados_workload arvados(owner);
            const auto until = std::chrono::steady_clock::now() + 30s;
            while (arvados.failures().empty() && std::chrono::steady_clock::now() < until)
                std::this_thread::sleep_for(10ms);
            failures = first_of(arvados.failures());
        }
        pqxx::nontransaction(server).exec("drop publication careless");
        return failures;
    };
    CHECK(try_publication("table frozen_groups").find("replica identity") != std::string::npos);
    CHECK(try_publication("table containers (uuid)").find("does not cover the replica identity") !=
          std::string::npos);
    CHECK(try_publication("table workflows (id, name)").find("cannot alter type") != std::string::npos);
}
