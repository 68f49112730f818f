#include "server/config_describe.hpp"
#include "server/migrate_command.hpp"
#include "server/serve.hpp"
#include "server/slot_command.hpp"
#include "server/watch/watch.hpp"

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace {

std::string environment(const char *name, std::string otherwise) {
    const char *value = std::getenv(name);
    return value && *value ? value : otherwise;
}

/// Arvados' programs are written in Go, whose long options may have one dash: `-config FILE`. Makes it two.
std::vector<std::string> with_two_dashes(int count, char **words) {
    std::vector<std::string> made;
    for (int at = count - 1; at > 0; --at) { // CLI11 wants them in reverse
        const std::string_view word = words[at];
        const bool go_style = word.size() > 2 && word[0] == '-' && word[1] != '-';
        made.push_back(go_style ? "-" + std::string(word) : std::string(word));
    }
    return made;
}

} // namespace

int main(int count, char **words) {
    using namespace walcast;
    CLI::App app("walcast sends what PostgreSQL commits, in commit order, to everyone who may see it.\n"
                 "Without a verb it serves: it can be started wherever arvados-ws was.",
                 "walcast");
    app.set_version_flag("--version", "walcast " WALCAST_VERSION);
    app.require_subcommand(0, 1);
    app.fallthrough();

    serve_options options;
    options.config_path = environment("ARVADOS_CONFIG", "/etc/arvados/config.yml");
    app.add_option("--config", options.config_path,
                   "Arvados' configuration file (default: $ARVADOS_CONFIG or "
                   "/etc/arvados/config.yml)")
        ->type_name("FILE");
    app.add_option("--legacy-ws-config", options.legacy_path,
                   "a file of the old arvados-ws format, read on top")
        ->type_name("FILE");

    auto *serving = app.add_subcommand("serve", "run the relay (the default)");
    auto *configuration = app.add_subcommand("config", "look at the configuration");
    configuration->require_subcommand(1);
    auto *checking =
        configuration->add_subcommand("check", "print the effective settings, or what is wrong in one line");
    auto *migrating = app.add_subcommand("migrate", "prepare the database, or restore it");
    migrating->require_subcommand(1);
    auto *up = migrating->add_subcommand(
        "up", "create what the relay needs: publication, replica identities, functions, role");
    auto *down = migrating->add_subcommand("down", "take all of it back: the database is exactly as before");
    auto *status = migrating->add_subcommand("status", "say what is applied and what is missing");
    auto *slot = app.add_subcommand("slot", "look at the replication slot, or drop it");
    slot->require_subcommand(1);
    auto *slot_showing = slot->add_subcommand(
        "status", "say how the slot is and what it keeps; ends with 1 if something has to be done");
    auto format = slot_format::text;
    slot_showing->add_flag_callback(
        "--json", [&] { format = slot_format::json; }, "as one JSON object");
    auto *slot_dropping = slot->add_subcommand(
        "drop",
        "drop the slot, so that PostgreSQL keeps no WAL for it; a walcast that starts makes a new one");
    auto readers = slot_readers::respect;
    slot_dropping->add_flag_callback(
        "--force", [&] { readers = slot_readers::terminate; }, "disconnect a walcast that reads it");
    for (auto *verb :
         {serving, configuration, checking, migrating, up, down, status, slot, slot_showing, slot_dropping})
        verb->fallthrough();
    watch_options watching;
    add_watch_command(app, watching);

    try {
        app.parse(with_two_dashes(count, words));
    } catch (const CLI::ParseError &error) {
        return app.exit(error) == 0 ? 0 : 2;
    }
    if (app.got_subcommand("watch"))
        return watch(watching);
    if (checking->parsed())
        return config_check(
            {options.config_path, options.legacy_path, environment("ARVADOS_SERVICE_INTERNAL_URL", "")},
            stdout, stderr);
    if (up->parsed())
        return migrate(migrate_verb::up, options.config_path);
    if (down->parsed())
        return migrate(migrate_verb::down, options.config_path);
    if (status->parsed())
        return migrate(migrate_verb::status, options.config_path);
    if (slot_showing->parsed())
        return slot_status(options.config_path, format);
    if (slot_dropping->parsed())
        return slot_drop(options.config_path, readers);
    return serve(options);
}
