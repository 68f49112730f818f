#pragma once

#include "server/ops/log.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <pqxx/pqxx>
#include <string>

namespace walcast {

/// How long to stand in the queue for a lock, and how often. Everybody who wants the lock later stands behind
/// us, so a wait is short at first. It never gets as long as PostgreSQL's deadlock_timeout, except for an
/// autovacuum in the way: 0003_publication.up.sql says why.
struct lock_patience {
    std::chrono::milliseconds first_wait{100};
    std::chrono::milliseconds longest_wait{800};
    std::chrono::milliseconds give_up_after{120'000};
};

/// A connection for changing a database that others are working in: transactions with a lock_timeout that are
/// tried again when the lock was not free. One session at a time per database (an advisory lock, held until
/// destruction). PostgreSQL's notices go to the log. Blocks; one thread. Everything throws migrate_error.
class patient_session {
  public:
    /// Connects. `connection` holds libpq parameters.
    patient_session(const std::string &connection, logger &log, lock_patience patience);
    ~patient_session();

    /// Waits until no other walcast is changing this database.
    void claim();

    /// Runs `body` in a transaction and commits. `body` may run several times; only one of them takes effect.
    /// `what` names it in errors: "migration 0001_tables".
    void transact(const std::string &what, const std::function<void(pqxx::work &)> &body);

    [[nodiscard]] int server_version() const { return connection_->server_version(); }

  private:
    class notice_writer;

    bool attempt(const std::string &what, std::chrono::milliseconds lock_timeout,
                 const std::function<void(pqxx::work &)> &body, std::string &obstacle);
    [[nodiscard]] std::string in_the_way();
    [[nodiscard]] bool autovacuum_in_the_way();

    logger &log_;
    lock_patience patience_;
    std::unique_ptr<pqxx::connection> connection_;
    std::unique_ptr<notice_writer> notices_;       ///< destroyed before the connection it is registered with
    int backend_ = 0;                              ///< the process that holds the advisory lock
    std::chrono::milliseconds deadlock_timeout_{}; ///< of the server
};

} // namespace walcast
