#pragma once

#include "tests/support/process.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace walcast::testing {

/// A PostgreSQL cluster of the test's own: made and started by the constructor in a new directory below /tmp,
/// stopped and removed by the destructor. It listens on a free port of 127.0.0.1 and on a Unix socket, trusts
/// every local connection (replication too), and has wal_level=logical unless a setting says otherwise.
///
/// WALCAST_PG_BIN names the directory of another version's programs. Throws std::exception with what the
/// server said.
class private_postgres {
  public:
    /// Lines for postgresql.conf, `name = value`; they win over ours.
    explicit private_postgres(std::vector<std::string> settings = {});
    ~private_postgres();

    private_postgres(const private_postgres &) = delete;
    private_postgres &operator=(const private_postgres &) = delete;

    void start();
    void stop();    ///< a fast shutdown: a checkpoint, clients are disconnected
    void kill();    ///< SIGKILL to the postmaster: start() has to recover from the WAL
    void restart(); ///< stop and start, on the same port

    [[nodiscard]] std::uint16_t port() const { return port_; }
    [[nodiscard]] bool running() const { return postmaster_ != 0; }
    [[nodiscard]] const std::filesystem::path &directory() const { return directory_; }

    /// libpq parameters over the Unix socket. `postgres` is the superuser.
    [[nodiscard]] std::string connection(const std::string &database = "postgres",
                                         const std::string &user = "postgres") const;
    /// The same over 127.0.0.1, for tests that put something between.
    [[nodiscard]] std::string tcp_connection(const std::string &database = "postgres",
                                             const std::string &user = "postgres") const;

    /// A new database with the tables of schema/arvados.sql. As on a site, it and they belong to the role
    /// `arvados`, which may log in and nothing else.
    void create_database(const std::string &name);

    /// What `pg_dump -s` prints, without its random \restrict lines; where there is no pg_dump beside the
    /// server, what schema_description.sql reads from the catalogs.
    [[nodiscard]] std::string dump_schema(const std::string &database) const;

  private:
    void make_cluster();
    void load_template();
    [[nodiscard]] std::string describe_schema(const std::string &database) const;
    [[nodiscard]] std::string binary(const std::string &name) const;
    [[nodiscard]] std::string log_tail() const;
    void await_end(int signal);

    server_user user_;
    std::filesystem::path binaries_;
    std::filesystem::path directory_;
    std::vector<std::string> settings_;
    std::uint16_t port_ = 0;
    pid_t postmaster_ = 0; ///< zero when not running
    bool template_loaded_ = false;
};

} // namespace walcast::testing
