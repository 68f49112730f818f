#include "tests/bench/slots.hpp"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <pqxx/nontransaction>
#include <pqxx/result>

#include <cctype>
#include <stdexcept>
#include <thread>

namespace walcast::bench {

using namespace std::chrono_literals;

void slot_admin::create(const std::string &name) {
    pqxx::nontransaction work(connection_);
    work.exec_params("select pg_create_logical_replication_slot($1, 'pgoutput')", name);
}

void slot_admin::copy(const std::string &from, const std::string &to) {
    pqxx::nontransaction work(connection_);
    work.exec_params("select pg_copy_logical_replication_slot($1, $2)", from, to);
}

void slot_admin::drop(const std::string &name, std::chrono::milliseconds limit) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while (sender(name) != 0) {
        if (std::chrono::steady_clock::now() > deadline)
            throw std::runtime_error("slot " + name + " is still in use");
        std::this_thread::sleep_for(5ms);
    }
    pqxx::nontransaction work(connection_);
    work.exec_params(
        "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = $1", name);
}

pid_t slot_admin::sender(const std::string &name) {
    pqxx::nontransaction work(connection_);
    const auto found =
        work.exec_params("select active_pid from pg_replication_slots where slot_name = $1", name);
    return found.empty() || found[0][0].is_null() ? 0 : found[0][0].as<pid_t>();
}

pid_t slot_admin::wait_for_sender(const std::string &name, pid_t other, std::chrono::milliseconds limit) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    for (;;) {
        if (const pid_t found = sender(name); found != 0 && found != other)
            return found;
        if (std::chrono::steady_clock::now() > deadline)
            throw std::runtime_error("nobody reads slot " + name);
        std::this_thread::sleep_for(1ms);
    }
}

plugin_options slot_admin::options_of(pid_t sender) {
    pqxx::nontransaction work(connection_);
    const auto found = work.exec_params("select query from pg_stat_activity where pid = $1", sender);
    return found.empty() ? plugin_options{} : parse_plugin_options(found[0][0].as<std::string>(""));
}

void slot_admin::terminate(pid_t process) {
    pqxx::nontransaction work(connection_);
    work.exec_params("select pg_terminate_backend($1)", process);
}

std::string slot_admin::current_lsn() {
    pqxx::nontransaction work(connection_);
    return work.exec1("select pg_current_wal_insert_lsn()")[0].as<std::string>();
}

// START_REPLICATION SLOT "name" LOGICAL 0/0 (name 'value', "name" 'va''lue', …)
plugin_options parse_plugin_options(const std::string &command) {
    plugin_options made;
    std::size_t at = command.find('(');
    while (at != std::string::npos) {
        const std::size_t value = command.find('\'', at);
        if (value == std::string::npos)
            break;
        std::string name;
        for (const char letter : command.substr(at, value - at))
            if (std::isalnum(static_cast<unsigned char>(letter)) != 0 || letter == '_')
                name.push_back(letter);
        std::size_t end = command.find('\'', value + 1);
        while (end != std::string::npos && command.compare(end, 2, "''") == 0)
            end = command.find('\'', end + 2);
        if (end == std::string::npos)
            break;
        made.emplace_back(name, command.substr(value + 1, end - value - 1));
        at = end + 1;
    }
    return made;
}

slot_hold::slot_hold(const std::string &connection, const std::string &slot, const std::string &publication)
    : connection_{
          ::PQconnectdb((connection + " replication=database options='-c wal_sender_timeout=0'").c_str()),
          &::PQfinish} {
    if (::PQstatus(connection_.get()) != CONNECTION_OK)
        throw std::runtime_error(::PQerrorMessage(connection_.get()));
    const std::string command = fmt::format(
        "START_REPLICATION SLOT \"{}\" LOGICAL 0/0 (proto_version '1', publication_names '\"{}\"')", slot,
        publication);
    const std::unique_ptr<PGresult, decltype(&::PQclear)> answer{::PQexec(connection_.get(), command.c_str()),
                                                                 &::PQclear};
    if (::PQresultStatus(answer.get()) != PGRES_COPY_BOTH)
        throw std::runtime_error(::PQerrorMessage(connection_.get()));
}

} // namespace walcast::bench
