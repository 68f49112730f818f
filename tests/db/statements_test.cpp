#include "db/migrate.hpp"
#include "db/migrate_error.hpp"
#include "tests/db/arvados_workload.hpp"
#include "tests/db/cluster.hpp"
#include "tests/support/captured_log.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <map>
#include <mutex>
#include <pqxx/pqxx>
#include <set>
#include <string>
#include <thread>

using namespace walcast;
using namespace walcast::testing;

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
                std::this_thread::sleep_for(std::chrono::milliseconds(20));
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

TEST_CASE("the workload notices a careless publication") {
    const auto database = new_database();
    const auto owner = cluster().connection(database, "arvados");
    const auto try_publication = [&](const std::string &made) {
        pqxx::connection server(owner);
        pqxx::nontransaction(server).exec("create publication careless for " + made);
        std::string failures;
        {
            arvados_workload arvados(owner);
            const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
            while (arvados.failures().empty() && std::chrono::steady_clock::now() < until)
                std::this_thread::sleep_for(std::chrono::milliseconds(10));
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
