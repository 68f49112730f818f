#include "db/migrate.hpp"

#include "db/migrate_error.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace walcast {

namespace {

/// What stands in the way of following a table or column fully, one line each.
constexpr auto notes_query =
    "select format('table %s is left out: %s', name, problem) from walcast.coverage"
    " where problem is not null"
    " union all select format('column %s of table %s is left out: there is no such column', c, name)"
    " from walcast.coverage, unnest(missing) c where problem is null order by 1";

template <class Books>
auto find_by_name(Books &in, const std::string &name) {
    return std::find_if(in.begin(), in.end(), [&](const auto &each) { return each.name == name; });
}

} // namespace

std::string_view to_string(migration_state state) {
    switch (state) {
    case migration_state::applied:
        return "applied";
    case migration_state::pending:
        return "pending";
    case migration_state::changed:
        return "changed";
    case migration_state::unknown:
        return "unknown";
    }
    return {};
}

bool migrate_report::complete() const {
    return steps.empty() && std::all_of(migrations.begin(), migrations.end(), [](const migration_status &of) {
               return of.state == migration_state::applied;
           });
}

migrator::migrator(std::string connection, std::filesystem::path directory, logger &log,
                   lock_patience patience)
    : connection_(std::move(connection))
    , directory_(std::move(directory))
    , log_(log)
    , patience_(patience) {}

void migrator::up() {
    const auto files = read_migrations(directory_);
    auto session = connect();
    check_server(session);
    session.claim();
    begin_books(session);
    const auto books = read_books(session).value_or(std::vector<applied>{});
    check_books(files, books);
    for (const auto &file : files) {
        if (find_by_name(books, file.name) != books.end())
            continue;
        session.transact("migration " + file.name, [&](pqxx::work &work) {
            work.exec(file.up);
            work.exec_params0(
                "insert into walcast.migrations (name, up_sha256, down_sha256) values ($1, $2, $3)",
                file.name, file.up_sha256, file.down_sha256);
        });
        log_.info("migration applied", {{"name", file.name}});
    }
    take_steps(session, "cover");
    log_notes(session);
}

void migrator::down() {
    const auto files = read_migrations(directory_);
    auto session = connect();
    session.claim();
    auto books = read_books(session);
    if (!books) {
        log_.info("nothing to undo: there is no schema walcast");
        return;
    }
    check_books(files, *books);
    take_steps(session, "uncover");
    for (auto undo = books->rbegin(); undo != books->rend(); ++undo) {
        const auto file = find_by_name(files, undo->name);
        session.transact("migration " + undo->name + " down", [&](pqxx::work &work) {
            work.exec(file->down);
            work.exec_params0("delete from walcast.migrations where name = $1", undo->name);
        });
        log_.info("migration undone", {{"name", undo->name}});
    }
    session.transact("dropping the schema walcast", [](pqxx::work &work) {
        work.exec("drop table walcast.migrations; drop schema walcast");
    });
    drop_slots(session);
}

migrate_report migrator::status() {
    const auto files = read_migrations(directory_);
    auto session = connect();
    const auto books = read_books(session).value_or(std::vector<applied>{});
    migrate_report report;
    for (const auto &file : files) {
        const auto in_books = find_by_name(books, file.name);
        if (in_books == books.end())
            report.migrations.push_back({file.name, migration_state::pending, {}});
        else if (in_books->up_sha256 != file.up_sha256 || in_books->down_sha256 != file.down_sha256)
            report.migrations.push_back({file.name, migration_state::changed, in_books->at});
        else
            report.migrations.push_back({file.name, migration_state::applied, in_books->at});
    }
    for (const auto &each : books)
        if (find_by_name(files, each.name) == files.end())
            report.migrations.push_back({each.name, migration_state::unknown, each.at});
    session.transact("status", [&](pqxx::work &work) {
        report.steps.clear();
        report.notes.clear();
        if (work.exec1("select to_regclass('walcast.cover_plan') is null")[0].as<bool>())
            return;
        for (const auto &row :
             work.exec("select step || ' ' || name from walcast.cover_plan order by phase, ordinal"))
            report.steps.push_back(row[0].as<std::string>());
        for (const auto &row : work.exec(notes_query))
            report.notes.push_back(row[0].as<std::string>());
    });
    return report;
}

patient_session migrator::connect() {
    return {connection_, log_, patience_};
}

void migrator::check_server(patient_session &session) {
    constexpr int oldest = 150'000;
    if (const auto version = session.server_version(); version < oldest)
        throw migrate_error(
            fmt::format("PostgreSQL {} has no column lists, so secrets would leave the database: upgrade "
                        "to 15, or do not migrate and walcast uses LISTEN",
                        version / 10'000));
    session.transact("checking the server", [](pqxx::work &work) {
        const auto seen = work.exec1(
            "select pg_is_in_recovery(), current_user, current_database(),"
            " has_database_privilege(current_database(), 'create') or to_regnamespace('walcast') is not null,"
            " to_regclass('public.logs') is not null,"
            " (select pg_get_userbyid(c.relowner) from pg_class c join pg_namespace n on n.oid = "
            "c.relnamespace"
            "  where n.nspname = 'public' and c.relkind = 'r' and not pg_has_role(c.relowner, 'usage')"
            "    and c.relname in ('logs', 'users', 'groups', 'links', 'collections', 'containers', "
            "'container_requests',"
            "                      'api_client_authorizations', 'materialized_permissions') limit 1)");
        const auto role = seen[1].as<std::string>();
        const auto database = seen[2].as<std::string>();
        if (seen[0].as<bool>())
            throw migrate_error("this server is a standby: give the address of the primary");
        if (!seen[4].as<bool>())
            throw migrate_error(
                fmt::format("there is no table public.logs: \"{}\" is not an Arvados database; check "
                            "PostgreSQL.Connection",
                            database));
        if (!seen[5].is_null())
            throw migrate_error(
                fmt::format("role \"{}\" does not own the tables of Arvados: migrate as role \"{}\" or as "
                            "a superuser",
                            role, seen[5].as<std::string>()));
        if (!seen[3].as<bool>())
            throw migrate_error(
                fmt::format("role \"{0}\" may not create a schema: as the owner of the database run "
                            "'grant create on database \"{1}\" to \"{0}\"'",
                            role, database));
    });
}

void migrator::begin_books(patient_session &session) {
    session.transact("making the schema walcast", [](pqxx::work &work) {
        const auto seen = work.exec1(
            "select to_regnamespace('walcast') is null, to_regclass('walcast.migrations') is null");
        if (!seen[0].as<bool>() && seen[1].as<bool>())
            throw migrate_error("there is a schema \"walcast\" that is not ours: rename or drop it");
        if (seen[0].as<bool>())
            work.exec("create schema walcast;"
                      "create table walcast.migrations (name text primary key, up_sha256 text not null,"
                      " down_sha256 text not null, applied_at timestamptz not null default now())");
    });
}

std::optional<std::vector<migrator::applied>> migrator::read_books(patient_session &session) {
    std::optional<std::vector<applied>> books;
    session.transact("reading walcast.migrations", [&](pqxx::work &work) {
        books.reset();
        if (work.exec1("select to_regclass('walcast.migrations') is null")[0].as<bool>())
            return;
        books.emplace();
        for (const auto &row : work.exec(
                 "select name, up_sha256, down_sha256, applied_at from walcast.migrations order by name"))
            books->push_back({row[0].as<std::string>(), row[1].as<std::string>(), row[2].as<std::string>(),
                              row[3].as<std::string>()});
    });
    return books;
}

void migrator::check_books(const std::vector<migration> &files, const std::vector<applied> &books) {
    for (const auto &each : books) {
        const auto file = find_by_name(files, each.name);
        if (file == files.end())
            throw migrate_error(
                fmt::format("migration {} was applied by another version of walcast and is not in {}: use "
                            "that version",
                            each.name, directory_.string()));
        const bool up_same = file->up_sha256 == each.up_sha256;
        if (!up_same || file->down_sha256 != each.down_sha256)
            throw migrate_error(
                fmt::format("migration {0} was changed after it was applied: restore {1}/{0}.{2}.sql",
                            each.name, directory_.string(), up_same ? "down" : "up"));
    }
}

void migrator::take_steps(patient_session &session, const std::string &direction) {
    // More than there can be: a step that changes nothing would be taken for ever.
    constexpr int enough = 1'000;
    for (int taken = 0; taken < enough; ++taken) {
        std::optional<std::string> done;
        session.transact("walcast." + direction + "_step", [&](pqxx::work &work) {
            done.reset();
            if (work.exec_params1("select to_regproc($1) is null", "walcast." + direction + "_step")[0]
                    .as<bool>())
                return;
            const auto step = work.exec1(fmt::format("select walcast.{}_step()", direction))[0];
            if (!step.is_null())
                done = step.as<std::string>();
        });
        if (!done)
            return;
        log_.info("step taken", {{"step", *done}});
    }
    throw migrate_error(fmt::format("the steps do not come to an end: see walcast.{}_plan", direction));
}

void migrator::log_notes(patient_session &session) {
    std::vector<std::string> notes;
    session.transact("looking for what is missing", [&](pqxx::work &work) {
        notes.clear();
        for (const auto &row : work.exec(notes_query))
            notes.push_back(row[0].as<std::string>());
    });
    for (const auto &note : notes)
        log_.warning(note);
}

/// A slot that nobody reads keeps WAL until the disk is full, so none of ours may stay behind.
void migrator::drop_slots(patient_session &session) {
    std::vector<std::pair<std::string, bool>> slots;
    session.transact("looking for slots", [&](pqxx::work &work) {
        slots.clear();
        for (const auto &row : work.exec("select slot_name, active from pg_replication_slots"
                                         " where database = current_database() and plugin = 'pgoutput'"
                                         " and (slot_name = 'walcast' or slot_name like 'walcast\\_%')"))
            slots.emplace_back(row[0].as<std::string>(), row[1].as<bool>());
    });
    for (const auto &[slot, active] : slots) {
        if (active) {
            log_.warning("a slot is in use: stop the relay, then run \"select pg_drop_replication_slot(…)\"",
                         {{"slot", slot}});
            continue;
        }
        try {
            session.transact("dropping slot " + slot, [&](pqxx::work &work) {
                work.exec_params("select pg_drop_replication_slot($1)", slot);
            });
            log_.info("slot dropped", {{"slot", slot}});
        } catch (const migrate_error &problem) {
            log_.warning("a slot stays and holds WAL back: drop it as a superuser",
                         {{"slot", slot}, {"why", problem.what()}});
        }
    }
}

} // namespace walcast
