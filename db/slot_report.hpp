#pragma once

#include "server/feed/position.hpp"

#include <cstdint>
#include <optional>
#include <pqxx/pqxx>
#include <string>

namespace walcast {

/// What PostgreSQL says about one replication slot, as `walcast slot status` shows it. What a server of this
/// version does not know is nothing.
struct slot_report {
    struct slot {
        std::string type;   ///< logical or physical
        std::string plugin; ///< pgoutput for ours
        std::string database;
        std::optional<int> active_pid; ///< of the process that serves its reader; nothing: nobody reads it
        std::string wal_status;        ///< reserved, extended, unreserved or lost
        std::optional<lsn> confirmed;
        std::optional<lsn> restart;                ///< WAL is kept from here on; nothing when it is lost
        std::optional<std::int64_t> retained;      ///< bytes from there to the end
        std::optional<std::int64_t> unconfirmed;   ///< bytes from `confirmed` to the end
        std::optional<std::int64_t> safe_size;     ///< bytes that may be written before it is in danger
        std::optional<bool> failover;              ///< 17 and later
        std::optional<bool> synced;                ///< 17 and later
        std::optional<std::string> inactive_since; ///< 17 and later, while nobody reads it
        std::optional<std::string> invalidation;   ///< 17 and later: why it is lost
    };

    int server_version;                    ///< as server_version_num: 150018
    std::string database;                  ///< that was asked
    std::optional<std::int64_t> keep_size; ///< max_slot_wal_keep_size in bytes; nothing: without limit
    std::optional<slot> found;
};

/// Asks PostgreSQL 13 or later. Throws what libpqxx throws.
[[nodiscard]] slot_report report_slot(pqxx::connection_base &on, const std::string &name);

/// Drops a slot. With `terminate` whoever reads it is disconnected first, again and again for ten seconds,
/// as a relay comes back at once; without it a slot that is read is not dropped. Throws what libpqxx throws.
enum class slot_readers : std::uint8_t { respect, terminate };
void drop_slot(pqxx::connection_base &on, const std::string &name, slot_readers readers);

} // namespace walcast
