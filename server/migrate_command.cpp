#include "server/migrate_command.hpp"

#include "db/migrate.hpp"
#include "db/migration_files.hpp"
#include "server/config.hpp"

#include <cstdio>
#include <exception>
#include <fmt/format.h>

namespace walcast {

namespace {
int show(const migrate_report &report) {
    for (const auto &one : report.migrations)
        fmt::print("{:<28} {:<8} {}\n", one.name, to_string(one.state), one.applied_at);
    for (const auto &step : report.steps)
        fmt::print("to do: {}\n", step);
    for (const auto &note : report.notes)
        fmt::print("note: {}\n", note);
    return report.complete() ? 0 : 1;
}
} // namespace

int migrate(migrate_verb verb, const std::string &config_path) {
    logger log(2, log_format::text);
    try {
        // The role of Arvados' own section owns the tables; the one of ours may be able to read them only.
        const auto settings = load_config(config_path, "");
        migrator migrations(connection_string(settings.arvados_postgresql), migrations_directory(), log);
        switch (verb) {
        case migrate_verb::up:
            migrations.up();
            return 0;
        case migrate_verb::down:
            migrations.down();
            return 0;
        case migrate_verb::status:
            return show(migrations.status());
        }
    } catch (const config_error &error) {
        fmt::print(stderr, "{}\n", error.what());
        return 78;
    } catch (const std::exception &error) {
        fmt::print(stderr, "{}\n", error.what());
    }
    return 1;
}

} // namespace walcast
