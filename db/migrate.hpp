#pragma once

#include "db/migration_files.hpp"
#include "db/patient_session.hpp"
#include "server/ops/log.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace walcast {

enum class migration_state : std::uint8_t {
    applied,
    pending, ///< in the directory, not in the database
    changed, ///< applied, but a file has another checksum now
    unknown, ///< applied, but not in the directory: by a newer version
};

[[nodiscard]] std::string_view to_string(migration_state state);

struct migration_status {
    std::string name;
    migration_state state{};
    std::string applied_at; ///< as PostgreSQL writes it; empty when not applied
};

/// What `walcast migrate status` shows.
struct migrate_report {
    std::vector<migration_status> migrations;
    std::vector<std::string> steps; ///< that `up` would take beside pending migrations: `publish credentials`
    std::vector<std::string> notes; ///< tables and columns that cannot be followed here, and why
    /// Everything is as `up` leaves it.
    [[nodiscard]] bool complete() const;
};

/// Brings an Arvados database to what walcast needs, and back. migrations/README.md tells how, and the rules
/// about locks that keep every statement of Arvados working meanwhile.
///
/// Made for one call of `walcast migrate` (or of a test), which opens a connection and closes it. Every call
/// can be repeated: after a failure half-way, the next one goes on from there. Blocks; one thread. Throws
/// migrate_error.
class migrator {
  public:
    /// `connection` holds libpq parameters of a role that owns Arvados' tables, or of a superuser.
    migrator(std::string connection, std::filesystem::path directory, logger &log,
             lock_patience patience = {});

    /// Applies pending migrations and takes the steps that are missing.
    void up();
    /// Undoes everything, in reverse, the schema `walcast` last; drops the relay's slots that are not in use.
    void down();
    [[nodiscard]] migrate_report status();

  private:
    struct applied {
        std::string name, up_sha256, down_sha256, at;
    };

    [[nodiscard]] patient_session connect();
    void check_server(patient_session &session);
    void begin_books(patient_session &session);
    /// Nothing when there is no schema `walcast`.
    [[nodiscard]] std::optional<std::vector<applied>> read_books(patient_session &session);
    void check_books(const std::vector<migration> &files, const std::vector<applied> &books);
    /// Takes the steps of walcast.<direction>_plan, one after the other: `cover` or `uncover`.
    void take_steps(patient_session &session, const std::string &direction);
    void log_notes(patient_session &session);
    void drop_slots(patient_session &session);

    std::string connection_;
    std::filesystem::path directory_;
    logger &log_;
    lock_patience patience_;
};

} // namespace walcast
