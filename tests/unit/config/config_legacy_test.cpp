#include "tests/unit/config/config_file.hpp"

#include <chrono>
#include <doctest/doctest.h>

using namespace walcast;
using namespace std::chrono_literals;

namespace {

constexpr std::string_view old_file = R"(Client:
  APIHost: example.com
  AuthToken: abcdefg
  Insecure: true
Postgres:
  host: db
  connect_timeout: 30
  dbname: arvados_production
  user: arvados
  password: xyzzy
PostgresPool: 63
Listen: ":8765"
LogLevel: debug
LogFormat: text
PingTimeout: 61s
ClientEventQueue: 62
ServerEventQueue: 5
ManagementToken: qqqqq
)";

struct legacy_folder {
    config_folder folder;

    config load(std::string_view old_text, std::string_view new_text,
                const std::string &internal_url = {}) const {
        return load_legacy_config(folder.file("ws.yml", old_text), folder.file("config.yml", new_text),
                                  internal_url);
    }

    std::string complaint(std::string_view old_text, std::string_view new_text = enough) const {
        try {
            static_cast<void>(load(old_text, new_text));
            return {};
        } catch (const config_error &error) {
            return folder.without_folder(error.what());
        }
    }
};

} // namespace

TEST_CASE("an old file is mapped to the settings of today") {
    const legacy_folder files;
    const auto c = files.load(old_file, "Clusters: {zzzzz: {}}\n");
    CHECK(c.cluster_id == "zzzzz");
    CHECK(c.controller_url == "https://example.com/");
    CHECK(c.system_root_token == "abcdefg");
    CHECK(c.tls_insecure);
    CHECK(connection_string(c.postgresql) ==
          "connect_timeout='30' dbname='arvados_production' host='db' password='xyzzy' user='arvados'");
    CHECK(c.connection_pool == 63);
    CHECK(c.listen == listen_address{false, "", 8765});
    CHECK(c.level == log_level::debug);
    CHECK(c.format == log_format::text);
    CHECK(c.send_timeout == 61s);
    CHECK(c.client_event_queue == 62);
    CHECK(c.server_event_queue == 5);
    CHECK(c.management_token == "qqqqq");
    REQUIRE(c.warnings.size() == 1);
    CHECK(files.folder.without_folder(c.warnings[0]) ==
          "DIR/ws.yml has the old format; move its settings to DIR/config.yml and remove it");
}

TEST_CASE("an old file wins, and what it does not name stays") {
    const legacy_folder files;
    const auto c =
        files.load("Listen: localhost:9005\nClient: {AuthToken: \"\"}\nLogLevel:\n",
                   std::string(enough) + "    SystemRootToken: kept\n    SystemLogs: {LogLevel: warn}\n"
                                         "    Walcast: {Slot: mine}\n");
    CHECK(c.listen == listen_address{false, "localhost", 9005});
    CHECK(c.system_root_token == "kept");
    CHECK(c.level == log_level::warning);
    CHECK(c.slot == "mine");
    CHECK(c.postgresql.at("host") == "db");
    CHECK(files.load("", enough).listen == listen_address{false, "localhost", 8005});
}

TEST_CASE("what is wrong in an old file") {
    const legacy_folder files;
    CHECK(files.complaint("Postgress: {}\n") ==
          "DIR/ws.yml:1: Postgress: unknown key (did you mean Postgres?)");
    CHECK(files.complaint("\nClient:\n  Token: x\n") == "DIR/ws.yml:3: Client.Token: unknown key");
    CHECK(files.complaint("Listen: 8005:x\n") ==
          "DIR/ws.yml:1: Listen: is not an address such as :8005 or localhost:8005");
    CHECK(files.complaint("PostgresPool: few\n") ==
          "DIR/ws.yml:1: PostgresPool: \"few\" is not a whole number");
    CHECK(files.complaint("PingTimeout: 60\n") ==
          "DIR/ws.yml:1: PingTimeout: \"60\" is not a time such as 500ms, 60s, 1m30s or 1h");
    CHECK(files.complaint("- a\n") == "DIR/ws.yml:1: must be a map, not a list");
    CHECK(files.complaint("Client: [\n").starts_with("DIR/ws.yml:1: not valid YAML: "));
    CHECK(files.complaint("", "Clusters:\n") == "DIR/config.yml:1: Clusters: is empty");
}
