#pragma once

#include <pqxx/connection>

#include <chrono>
#include <memory>
#include <string>
#include <sys/types.h>
#include <utility>
#include <vector>

struct pg_conn;

namespace walcast::bench {

/// Options of the output plugin, name and value as in START_REPLICATION (quotes in the value still doubled).
using plugin_options = std::vector<std::pair<std::string, std::string>>;

/// Logical slots, made, copied and watched with SQL. Names are the caller's own constants, not input.
class slot_admin {
  public:
    explicit slot_admin(pqxx::connection &connection)
        : connection_{connection} {}

    void create(const std::string &name);
    /// A new slot at the same place in the WAL: whoever reads it gets the same changes.
    void copy(const std::string &from, const std::string &to);
    /// Drops the slot once nobody uses it; nothing happens when there is none. Throws after `limit`.
    void drop(const std::string &name, std::chrono::milliseconds limit);
    /// The process that sends this slot's changes, 0 if there is none.
    [[nodiscard]] pid_t sender(const std::string &name);
    /// Waits until some process other than `other` sends the slot's changes. Throws after `limit`.
    pid_t wait_for_sender(const std::string &name, pid_t other, std::chrono::milliseconds limit);
    /// The options of the START_REPLICATION that this process runs; empty if it cannot be seen.
    [[nodiscard]] plugin_options options_of(pid_t sender);
    /// Ends this server process.
    void terminate(pid_t process);
    /// Where the WAL ends now.
    [[nodiscard]] std::string current_lsn();

  private:
    pqxx::connection &connection_;
};

/// Parses the option list at the end of a START_REPLICATION command.
[[nodiscard]] plugin_options parse_plugin_options(const std::string &command);

/// Keeps a slot busy without reading from it, so that another reader has to wait, until the object goes. The
/// slot does not move: nothing is ever confirmed.
class slot_hold {
  public:
    slot_hold(const std::string &connection, const std::string &slot, const std::string &publication);

  private:
    std::unique_ptr<pg_conn, void (*)(pg_conn *)> connection_;
};

} // namespace walcast::bench
