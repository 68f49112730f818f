#include "tests/support/postgres.hpp"

#include <arpa/inet.h>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fmt/format.h>
#include <fstream>
#include <iterator>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <pqxx/pqxx>
#include <sstream>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace walcast::testing {

namespace {

namespace fs = std::filesystem;
using clock = std::chrono::steady_clock;

constexpr auto template_name = "arvados_template";

std::uint16_t free_port() {
    const int probe = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    const bool bound = ::bind(probe, reinterpret_cast<sockaddr *>(&address), size) == 0 &&
                       ::getsockname(probe, reinterpret_cast<sockaddr *>(&address), &size) == 0;
    ::close(probe);
    if (!bound)
        throw std::runtime_error("no free port on 127.0.0.1");
    return ntohs(address.sin_port);
}

std::string read_all(const fs::path &path) {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

} // namespace

private_postgres::private_postgres(std::vector<std::string> settings)
    : user_(server_user::find())
    , settings_(std::move(settings)) {
    const char *binaries = std::getenv("WALCAST_PG_BIN");
    binaries_ = binaries != nullptr && *binaries != '\0' ? binaries : "/usr/lib/postgresql/15/bin";
    std::string directory = "/tmp/walcast-pg-XXXXXX";
    if (::mkdtemp(directory.data()) == nullptr)
        throw std::runtime_error("cannot make a directory below /tmp");
    directory_ = directory;
    try {
        make_cluster();
        start();
    } catch (...) {
        fs::remove_all(directory_);
        throw;
    }
}

private_postgres::~private_postgres() {
    if (running())
        await_end(SIGQUIT);
    std::error_code ignored; // what cannot be removed stays in /tmp
    fs::remove_all(directory_, ignored);
}

void private_postgres::make_cluster() {
    if (::geteuid() == 0 && ::chown(directory_.c_str(), user_.uid, user_.gid) != 0)
        throw std::runtime_error("cannot give " + directory_.string() + " to postgres");
    const auto made = run(user_, {binary("initdb"), "-D", (directory_ / "data").string(), "-U", "postgres",
                                  "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"});
    if (made.status != 0)
        throw std::runtime_error("initdb failed: " + made.error);
    port_ = free_port();
    std::ofstream conf(directory_ / "data" / "postgresql.conf", std::ios::app);
    conf
        << "listen_addresses = '127.0.0.1'\nport = " << port_ << "\nunix_socket_directories = '"
        << directory_.string()
        << "'\nwal_level = logical\nmax_wal_senders = 20\nmax_replication_slots = 20\nmax_connections = 200\n"
           "shared_buffers = 64MB\nfsync = off\ntimezone = 'UTC'\nlog_timezone = 'UTC'\n";
    for (const auto &line : settings_)
        conf << line << '\n';
    if (!conf.flush())
        throw std::runtime_error("cannot write postgresql.conf");
}

void private_postgres::start() {
    // After kill(), children of the old postmaster may live for a moment, and a new one refuses to start
    // meanwhile.
    for (const auto until = clock::now() + std::chrono::seconds(60);;) {
        if (!running())
            postmaster_ =
                spawn(user_, {binary("postgres"), "-D", (directory_ / "data").string()}, directory_ / "log");
        if (::PQping(connection().c_str()) == PQPING_OK)
            return;
        int status = 0;
        if (::waitpid(postmaster_, &status, WNOHANG) == postmaster_)
            postmaster_ = 0;
        if (clock::now() > until) {
            if (running())
                await_end(SIGQUIT);
            throw std::runtime_error("PostgreSQL does not start: " + log_tail());
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(running() ? 20 : 500));
    }
}

void private_postgres::stop() {
    await_end(SIGINT);
}

void private_postgres::kill() {
    await_end(SIGKILL);
}

void private_postgres::restart() {
    stop();
    start();
}

void private_postgres::await_end(int signal) {
    ::kill(postmaster_, signal);
    int status = 0;
    while (::waitpid(postmaster_, &status, 0) < 0 && errno == EINTR) {
    }
    postmaster_ = 0;
}

std::string private_postgres::connection(const std::string &database, const std::string &user) const {
    return fmt::format("host={} port={} dbname={} user={}", directory_.string(), port_, database, user);
}

std::string private_postgres::tcp_connection(const std::string &database, const std::string &user) const {
    return fmt::format("host=127.0.0.1 port={} dbname={} user={}", port_, database, user);
}

void private_postgres::load_template() {
    {
        pqxx::connection server(connection());
        pqxx::nontransaction work(server);
        work.exec("create role arvados login");
        work.exec(fmt::format("create database {} owner arvados", template_name));
    }
    pqxx::connection arvados(connection(template_name, "arvados"));
    pqxx::work work(arvados);
    work.exec("set client_min_messages = warning");
    work.exec(read_all(fs::path(WALCAST_SOURCE_ROOT) / "schema" / "arvados.sql"));
    work.commit();
}

void private_postgres::create_database(const std::string &name) {
    if (!template_loaded_)
        load_template();
    template_loaded_ = true;
    pqxx::connection server(connection());
    pqxx::nontransaction work(server);
    work.exec(
        fmt::format("create database {} template {} owner arvados", work.quote_name(name), template_name));
}

std::string private_postgres::dump_schema(const std::string &database) const {
    if (!fs::exists(binary("pg_dump")))
        return describe_schema(database);
    const auto dumped = run(user_, {binary("pg_dump"), "-s", "-d", connection(database)});
    if (dumped.status != 0)
        throw std::runtime_error("pg_dump failed: " + dumped.error);
    std::istringstream lines(dumped.output);
    std::string kept;
    for (std::string line; std::getline(lines, line);)
        if (!line.starts_with("\\restrict ") && !line.starts_with("\\unrestrict "))
            kept.append(line).append("\n");
    return kept;
}

std::string private_postgres::describe_schema(const std::string &database) const {
    pqxx::connection server(connection(database));
    pqxx::nontransaction work(server);
    work.exec("set search_path = pg_catalog"); // so that every name is printed with its schema
    const auto query = fs::path(WALCAST_SOURCE_ROOT) / "tests" / "support" / "schema_description.sql";
    return work.exec1(read_all(query))[0].as<std::string>() + "\n";
}

std::string private_postgres::binary(const std::string &name) const {
    return (binaries_ / name).string();
}

std::string private_postgres::log_tail() const {
    constexpr std::size_t most = 2'000;
    const auto log = read_all(directory_ / "log");
    return log.size() > most ? log.substr(log.size() - most) : log;
}

} // namespace walcast::testing
