#include "server/watch/watch.hpp"

#include <CLI/CLI.hpp>
#include <limits>

namespace walcast {

namespace {

/// `--option A --option B` and `--option A,B`. Without the limit to one word CLI11 would take the URL that
/// follows.
CLI::Option *add_list(CLI::App &to, const char *name, std::vector<std::string> &values, const char *help) {
    return to.add_option(name, values, help)->delimiter(',')->allow_extra_args(false);
}

void add_selection(CLI::App &to, watch_options &options) {
    const auto *const group =
        "Which events, with the topic events too (all conditions must hold; of a repeatable one, any value)";
    add_list(to, "--event-type", options.event_types, "create, update, delete, stderr, ...; repeatable")
        ->type_name("TYPE")
        ->group(group);
    add_list(to, "--object", options.objects, "about this object; repeatable")
        ->type_name("UUID")
        ->group(group);
    add_list(to, "--kind", options.kinds,
             "about such objects: collection, container, container_request, ...; repeatable")
        ->type_name("KIND")
        ->group(group);
    to.add_option("--owner", options.owner, "about what this user or project owns")
        ->type_name("UUID")
        ->group(group);
    to.add_option("--filters", options.filters, "further conditions, as the API has them")
        ->type_name("JSON")
        ->group(group);
    to.add_option("--last-log-id", options.last_log_id, "begin behind this event instead of now")
        ->type_name("N")
        ->check(CLI::Range(std::int64_t{1}, std::numeric_limits<std::int64_t>::max()).description(""))
        ->group(group);
    to.add_option("--since", options.since,
                  "begin at this time (UTC unless it says otherwise), or so long ago: 90s, 10m, 2h, 7d")
        ->type_name("TIME")
        ->group(group);
}

void add_topics(CLI::App &to, watch_options &options) {
    const auto *const group = "Topics";
    add_list(to, "--select", options.select, "of records these columns; repeatable")
        ->type_name("COLUMN")
        ->group(group);
    to.add_option("--after", options.after,
                  "begin with the changes after this token instead of the state; of several topics, a ping's")
        ->type_name("TOKEN")
        ->group(group);
    to.add_flag("--latest", options.latest, "if this cannot follow, the newest state is enough")
        ->group(group);
    to.add_flag("--once", options.once,
                "end when the state (with --after: what has changed) has been printed")
        ->group(group);
}

void add_output(CLI::App &to, watch_options &options) {
    const auto *const group = "How to print";
    to.add_option("--count", options.count, "end after so many events; of topics, changes")
        ->type_name("N")
        ->check(CLI::Range(std::uint64_t{1}, std::numeric_limits<std::uint64_t>::max()).description(""))
        ->group(group);
    to.add_flag_callback(
          "--json", [&options] { options.output = watch_output::json; },
          "each event as it was received, one per line; of topics, each message")
        ->group(group);
    to.add_flag_callback(
          "--utc", [&options] { options.clock = watch_clock::utc; }, "times in UTC instead of local time")
        ->group(group);
    to.add_option_function<std::string>(
          "--color",
          [&options](const std::string &when) {
              options.color = when == "always"  ? color_mode::always
                              : when == "never" ? color_mode::never
                                                : color_mode::automatic;
          },
          "always, never, or auto (the default): on a terminal, unless NO_COLOR is set")
        ->type_name("WHEN")
        ->check(CLI::IsMember({"auto", "always", "never"}).description(""))
        ->group(group);
}

void add_connection(CLI::App &to, watch_options &options) {
    const auto *const group = "Connection";
    auto *token = to.add_option("--token", options.token,
                                "the API token; others on this machine can see it in the list of processes");
    token->type_name("TOKEN")->group(group);
    to.add_option("--token-file", options.token_file, "a file whose first line is the token (/dev/stdin too)")
        ->type_name("FILE")
        ->excludes(token)
        ->group(group);
    to.add_flag_callback(
          "--insecure", [&options] { options.check = certificate_check::anything; },
          "accept any certificate: whoever answers gets the token")
        ->group(group);
}

} // namespace

void add_watch_command(CLI::App &app, watch_options &options) {
    auto *verb = app.add_subcommand("watch", "print events, or an object and its changes, as they happen");
    verb->description(
        "Prints the events of a relay (or of an arvados-ws) as they happen, one line each, until Ctrl-C.\n"
        "With topics it prints the state of these objects instead, and each change: what was, what is.\n"
        "After a disconnect it connects again and goes on exactly where it was.\n"
        "The token is $ARVADOS_API_TOKEN unless an option gives one.");
    verb->add_option("what", options.words,
                     "topics: record/UUID, grants/UUID of a user, or events; and the server:\n"
                     "ws://HOST:PORT/websocket or wss://HOST/websocket (default: $WALCAST_URL, or\n"
                     "ws://127.0.0.1:8005/websocket)")
        ->type_name("[TOPIC...] [URL]");
    add_topics(*verb, options);
    add_selection(*verb, options);
    add_output(*verb, options);
    add_connection(*verb, options);
    verb->footer("Examples:\n"
                 "  walcast watch\n"
                 "  walcast watch wss://ws.example.org/websocket --token-file ~/.config/arvados/token\n"
                 "  walcast watch --kind container --event-type update\n"
                 "  walcast watch --object zzzzz-dz642-0123456789abcde --since 10m\n"
                 "  walcast watch --filters '[[\"event_type\",\"not in\",[\"file_download\"]]]'\n"
                 "  walcast watch --json --count 1 | jq .properties\n"
                 "  walcast watch record/zzzzz-xvhdp-0123456789abcde --select state,priority\n"
                 "  walcast watch record/zzzzz-4zz18-0123456789abcde --once --json | jq 'select(.op == "
                 "\"snapshot\").record'\n"
                 "  walcast watch events --kind container --json");
}

} // namespace walcast
