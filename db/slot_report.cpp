#include "db/slot_report.hpp"

#include <chrono>
#include <fmt/format.h>
#include <thread>

namespace walcast {

using namespace std::chrono_literals;

namespace {

template <class T>
std::optional<T> optional(const pqxx::field &of) {
    return of.is_null() ? std::nullopt : std::optional(of.as<T>());
}

std::optional<lsn> position_in(const pqxx::field &of) {
    return of.is_null() ? std::nullopt : parse_lsn(of.c_str());
}

} // namespace

slot_report report_slot(pqxx::connection_base &on, const std::string &name) {
    pqxx::read_transaction in(on);
    const auto server = in.exec1(
        "SELECT pg_catalog.current_setting('server_version_num')::int, pg_catalog.current_database(),"
        " nullif(setting::bigint, -1) * 1048576" // it counts megabytes
        " FROM pg_catalog.pg_settings WHERE name = 'max_slot_wal_keep_size'");
    slot_report made{.server_version = server[0].as<int>(),
                     .database = server[1].as<std::string>(),
                     .keep_size = optional<std::int64_t>(server[2])};
    // Each version has columns more: as a document, those that are not there are null.
    const auto rows = in.exec(fmt::format(
        "SELECT s.slot_type, coalesce(s.plugin, ''), coalesce(s.database, ''), s.active_pid,"
        " coalesce(s.wal_status, ''), s.confirmed_flush_lsn, s.restart_lsn,"
        " (log.ends - s.restart_lsn)::bigint, (log.ends - s.confirmed_flush_lsn)::bigint, s.safe_wal_size,"
        " (doc.of->>'failover')::boolean, (doc.of->>'synced')::boolean,"
        " doc.of->>'inactive_since', doc.of->>'invalidation_reason'"
        " FROM pg_catalog.pg_replication_slots AS s,"
        " LATERAL (SELECT pg_catalog.to_jsonb(s)) AS doc(of),"
        " LATERAL (SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()"
        "  ELSE pg_catalog.pg_current_wal_insert_lsn() END) AS log(ends)"
        " WHERE s.slot_name = {}",
        in.quote(name)));
    if (rows.empty())
        return made;
    const auto &row = rows[0];
    made.found = slot_report::slot{.type = row[0].as<std::string>(),
                                   .plugin = row[1].as<std::string>(),
                                   .database = row[2].as<std::string>(),
                                   .active_pid = optional<int>(row[3]),
                                   .wal_status = row[4].as<std::string>(),
                                   .confirmed = position_in(row[5]),
                                   .restart = position_in(row[6]),
                                   .retained = optional<std::int64_t>(row[7]),
                                   .unconfirmed = optional<std::int64_t>(row[8]),
                                   .safe_size = optional<std::int64_t>(row[9]),
                                   .failover = optional<bool>(row[10]),
                                   .synced = optional<bool>(row[11]),
                                   .inactive_since = optional<std::string>(row[12]),
                                   .invalidation = optional<std::string>(row[13])};
    return made;
}

void drop_slot(pqxx::connection_base &on, const std::string &name, slot_readers readers) {
    const auto until = std::chrono::steady_clock::now() + 10s;
    for (;;) {
        try {
            // Neither can be rolled back, so there is nothing to put into a transaction.
            pqxx::nontransaction in(on);
            if (readers == slot_readers::terminate)
                in.exec(fmt::format("SELECT pg_catalog.pg_terminate_backend(active_pid, 1000)"
                                    " FROM pg_catalog.pg_replication_slots"
                                    " WHERE slot_name = {} AND active_pid IS NOT NULL",
                                    in.quote(name)));
            in.exec(fmt::format("SELECT pg_catalog.pg_drop_replication_slot({})", in.quote(name)));
            return;
        } catch (const pqxx::sql_error &error) {
            // Somebody has taken it between the two, or has not let go of it yet.
            const bool in_use = error.sqlstate() == "55006";
            if (!in_use || readers == slot_readers::respect || std::chrono::steady_clock::now() > until)
                throw;
        }
        std::this_thread::sleep_for(5ms);
    }
}

} // namespace walcast
