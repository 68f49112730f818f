#include "db/patient_session.hpp"

#include "db/migrate_error.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <libpq-fe.h>
#include <random>
#include <thread>

namespace walcast {

namespace {

using clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

/// The key of the advisory lock: the letters `walcast`.
constexpr std::int64_t advisory_key = 0x0077'616c'6361'7374;

/// libpq's own complaint would quote the piece it did not understand, which may be a part of a password.
void check_parameters(const std::string &connection) {
    const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> parsed(
        PQconninfoParse(connection.c_str(), nullptr), &PQconninfoFree);
    if (!parsed)
        throw migrate_error("the connection parameters are not understood: check PostgreSQL.Connection");
}

/// Twice the wait that failed, ± a half: others get the lock at least as long as we stood in their way.
void rest_after(milliseconds wait) {
    static thread_local std::minstd_rand random{std::random_device{}()};
    std::this_thread::sleep_for(wait * std::uniform_int_distribution<int>(100, 300)(random) / 100);
}

} // namespace

class patient_session::notice_writer : public pqxx::errorhandler {
  public:
    notice_writer(pqxx::connection_base &of, logger &log)
        : pqxx::errorhandler(of)
        , log_(log) {}

    bool operator()(const char message[]) noexcept override {
        try {
            const std::string_view text(message);
            log_.write(text.starts_with("NOTICE") ? log_level::info : log_level::warning, one_line(text));
        } catch (const std::exception &) {
            return true; // libpqxx's default handler writes it to stderr
        }
        return false;
    }

  private:
    logger &log_;
};

patient_session::patient_session(const std::string &connection, logger &log, lock_patience patience)
    : log_(log)
    , patience_(patience) {
    check_parameters(connection);
    try {
        connection_ = std::make_unique<pqxx::connection>(connection);
        notices_ = std::make_unique<notice_writer>(*connection_, log);
        pqxx::nontransaction session(*connection_);
        session.exec(
            "set search_path = pg_catalog; set client_min_messages = notice; set statement_timeout = 0;"
            "set idle_in_transaction_session_timeout = 0; set jit = off; set application_name = 'walcast "
            "migrate'");
        backend_ = connection_->backendpid();
        deadlock_timeout_ =
            milliseconds(session.exec1("select setting from pg_settings where name = 'deadlock_timeout'")[0]
                             .as<std::int64_t>());
    } catch (const pqxx::failure &problem) {
        throw migrate_error(fmt::format("cannot connect to PostgreSQL: {}", one_line(problem.what())));
    }
}

patient_session::~patient_session() = default;

void patient_session::claim() {
    // Asked for again and again: a statement that waits would keep a snapshot, and hold back vacuum, all the
    // while.
    bool said = false;
    for (const auto until = clock::now() + patience_.give_up_after;;
         std::this_thread::sleep_for(milliseconds(100))) {
        bool claimed = false;
        transact("the claim", [&](pqxx::work &work) {
            claimed = work.exec_params1("select pg_try_advisory_lock($1)", advisory_key)[0].as<bool>();
        });
        if (claimed)
            return;
        if (clock::now() > until)
            throw migrate_error("another walcast is migrating this database and does not finish");
        if (!std::exchange(said, true))
            log_.info("another walcast is migrating this database: waiting for it");
    }
}

void patient_session::transact(const std::string &what, const std::function<void(pqxx::work &)> &body) {
    const auto longest = std::min(patience_.longest_wait, deadlock_timeout_ * 8 / 10);
    auto wait = std::min(patience_.first_wait, longest);
    std::string obstacle;
    for (const auto until = clock::now() + patience_.give_up_after; !attempt(what, wait, body, obstacle);) {
        if (clock::now() > until)
            throw migrate_error(fmt::format("{}: given up after {} s: {}{}", what,
                                            patience_.give_up_after.count() / 1000, obstacle, in_the_way()));
        log_.debug("a lock was not free: trying again", {{"step", what}, {"waited_ms", wait.count()}});
        rest_after(wait);
        wait = autovacuum_in_the_way() ? deadlock_timeout_ * 3 / 2 : std::min(wait * 2, longest);
    }
}

/// False when it is worth another try; `obstacle` says what was in the way.
bool patient_session::attempt(const std::string &what, milliseconds lock_timeout,
                              const std::function<void(pqxx::work &)> &body, std::string &obstacle) {
    try {
        pqxx::work work(*connection_);
        // libpqxx connects again by itself, but the new session would not hold the advisory lock.
        if (connection_->backendpid() != backend_)
            throw migrate_error(fmt::format("{}: the connection to PostgreSQL was lost", what));
        work.exec0(fmt::format("set local lock_timeout = {}", lock_timeout.count()));
        body(work);
        work.commit();
        return true;
    } catch (const pqxx::sql_error &problem) {
        obstacle = one_line(problem.what());
        if (problem.sqlstate() != "55P03") // lock_not_available
            throw migrate_error(fmt::format("{}: {}", what, obstacle));
    } catch (const pqxx::transaction_rollback &problem) { // deadlock, serialization failure
        obstacle = one_line(problem.what());
    } catch (const pqxx::failure &problem) {
        throw migrate_error(fmt::format("{}: {}", what, one_line(problem.what())));
    }
    return false;
}

/// Who probably holds the lock: the session with the oldest transaction. Of other roles' sessions an ordinary
/// role sees no more than that they are there.
std::string patient_session::in_the_way() {
    try {
        pqxx::work work(*connection_);
        const auto rows =
            work.exec("select format(' (process %s holds locks%s)', a.pid, ', in a transaction of '"
                      "   || extract(epoch from clock_timestamp() - a.xact_start)::bigint || ' s of ' || "
                      "a.application_name)"
                      " from pg_stat_activity a"
                      " where a.pid in (select l.pid from pg_locks l join pg_class c on c.oid = l.relation"
                      "                 where l.granted and c.relkind = 'r' and c.relnamespace = "
                      "to_regnamespace('public')"
                      "                   and l.database = (select oid from pg_database where datname = "
                      "current_database()))"
                      "   and a.pid <> pg_backend_pid() order by a.xact_start nulls last limit 1");
        if (!rows.empty())
            return rows[0][0].as<std::string>();
    } catch (const pqxx::failure &) {
        // The reason is an extra; what there is to say has been said.
    }
    return {};
}

/// An autovacuum is the only process in a database that has no role; that much everybody may see.
bool patient_session::autovacuum_in_the_way() {
    try {
        pqxx::work work(*connection_);
        return work
            .exec1("select exists (select from pg_locks l join pg_stat_activity a using (pid)"
                   " join pg_class c on c.oid = l.relation and c.relkind = 'r'"
                   " where a.datname = current_database() and a.usesysid is null and l.granted"
                   "   and l.database = a.datid and c.relnamespace = to_regnamespace('public'))")[0]
            .as<bool>();
    } catch (const pqxx::failure &) {
        return false; // the next attempt will say what is wrong
    }
}

} // namespace walcast
