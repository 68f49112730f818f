#include "server/config.hpp"

#include "tests/unit/config/config_file.hpp"

#include <chrono>
#include <cmath>
#include <doctest/doctest.h>

using namespace walcast;
using namespace std::chrono_literals;

TEST_CASE("an Arvados configuration, with the keys of other services") {
    const auto c = load_text(R"(AutoReloadConfig: true
Clusters:
  zzzzz:
    SystemRootToken: rootrootroot
    ManagementToken: "managementmanagement"
    Services:
      RailsAPI: {InternalURLs: {"http://localhost:8000": {}}}
      Controller:
        InternalURLs: {"http://localhost:8003": {}}
        ExternalURL: https://zzzzz.example.com
      Websocket:
        InternalURLs:
          "http://localhost:8005/": {ListenURL: "http://0.0.0.0:8005/"}
          SAMPLE: {Rendezvous: ""}
        ExternalURL: wss://ws.zzzzz.example.com/websocket
    PostgreSQL:
      ConnectionPool: 12
      Connection: {DBName: arvados_production, Host: db, port: 5433, User: arvados, Password: "o'hara\\", sslmode: "", SAMPLE: x}
    API:
      SendTimeout: 1m30s
      WebsocketClientEventQueue: 62
      WebsocketServerEventQueue: 5
      MaxConcurrentRequests: 0
      RequestTimeout: 5m
    Users:
      AnonymousUserToken: v2/zzzzz-gj3su-anonymouspublic/anonsecret
      RoleGroupsVisibleToAll: no
    SystemLogs: {LogLevel: warn, Format: text}
    TLS: {Insecure: true, Automatic: false}
    Volumes: [1, {a: b}]
    Login: ~
)");
    CHECK(c.cluster_id == "zzzzz");
    CHECK(c.system_root_token == "rootrootroot");
    CHECK(c.management_token == "managementmanagement");
    CHECK(c.controller_url == "https://zzzzz.example.com");
    CHECK(c.external_url == "wss://ws.zzzzz.example.com/websocket");
    REQUIRE(c.internal_urls.size() == 1);
    CHECK(c.listen == listen_address{false, "0.0.0.0", 8005});
    CHECK(c.connection_pool == 12);
    CHECK(c.postgresql == std::map<std::string, std::string>{{"dbname", "arvados_production"},
                                                             {"host", "db"},
                                                             {"port", "5433"},
                                                             {"user", "arvados"},
                                                             {"password", "o'hara\\"}});
    CHECK(c.send_timeout == 90s);
    CHECK(c.client_event_queue == 62);
    CHECK(c.server_event_queue == 5);
    CHECK(c.max_concurrent_requests == 0);
    CHECK(c.anonymous_token == "anonsecret");
    CHECK_FALSE(c.role_groups_visible_to_all);
    CHECK(c.level == log_level::warning);
    CHECK(c.format == log_format::text);
    CHECK(c.tls_insecure);
    CHECK(c.warnings.empty());
}

TEST_CASE("the section Walcast") {
    const auto c = load_text(std::string(enough) + R"(    Walcast:
      Source: listener
      Slot: walcast_2
      Publication: feed
      StreamTransactions: true
      WaitVisible: true
      Shards: 3
      FeedBytes: 1GiB
      FeedAge: 1h
      RetentionBytes: 0
      RetentionAge: 0
      OutboxBytes: 64K
      MaxMessageBytes: 65536
      MaxEventBytes: 2MiB
      MaxConnections: 10
      MaxSubscriptions: 5
      HandshakeTimeout: 500ms
      ReplayWindow: 1m
      DrainTimeout: 2.5s
      QueryConnections: 4
)");
    CHECK(c.source == source_choice::listener);
    CHECK(c.slot == "walcast_2");
    CHECK(c.publication == "feed");
    CHECK(c.stream_transactions);
    CHECK(c.wait_visible);
    CHECK(c.shards == 3);
    CHECK(c.feed_bytes == std::size_t{1} << 30);
    CHECK(c.feed_age == 1h);
    CHECK(c.retention_bytes == 0);
    CHECK(c.retention_age == 0s);
    CHECK(c.outbox_bytes == 64'000);
    CHECK(c.max_message_bytes == 65536);
    CHECK(c.max_event_bytes == std::size_t{2} << 20);
    CHECK(c.max_connections == 10);
    CHECK(c.max_subscriptions == 5);
    CHECK(c.handshake_timeout == 500ms);
    CHECK(c.replay_window == 1min);
    CHECK(c.drain_timeout == 2500ms);
    CHECK(c.query_connections == 4);
}

TEST_CASE("the relay may connect as somebody else than Arvados") {
    const auto c = load_text(std::string(enough) +
                             "    Walcast: {Connection: {User: relay, host: /run/postgresql, port: }}\n");
    CHECK(connection_string(c.postgresql) == "host='/run/postgresql' user='relay'");
    CHECK(connection_string(c.arvados_postgresql) == "host='db'");
    CHECK(connection_string(load_text(enough).postgresql) == "host='db'");
}

TEST_CASE("a key without a value keeps its default") {
    const auto c =
        load_text(std::string(enough) + "    Walcast: {Slot: , FeedBytes: null, FeedAge: ~}\n    API:\n");
    CHECK(c.slot == "walcast");
    CHECK(c.feed_bytes == config{}.feed_bytes);
    CHECK(c.feed_age == config{}.feed_age);
}

TEST_CASE("the section may stand in walcast.yml beside config.yml") {
    const config_folder folder;
    const auto path = folder.file("config.yml", enough);
    const auto own = folder.file("walcast.yml", "Walcast:\n  Slot: beside\n");
    const auto load = [&] { return load_config(path, {}); };
    const auto complains = [&]() -> std::string {
        try {
            return load().slot;
        } catch (const config_error &error) {
            return folder.without_folder(error.what());
        }
    };
    const auto hash = load().source_sha256;
    CHECK(load().slot == "beside");

    static_cast<void>(folder.file("walcast.yml", "Walcast:\n  Slott: beside\n"));
    CHECK(complains() == "DIR/walcast.yml:2: Walcast.Slott: unknown key (did you mean Slot?)");
    CHECK(load_text(enough).source_sha256 == hash); // of config.yml alone, as the other services report it

    static_cast<void>(folder.file("walcast.yml", "Slot: beside\n"));
    CHECK(complains() == "DIR/walcast.yml:1: Slot: unknown key (the only one is Walcast)");

    static_cast<void>(folder.file("walcast.yml", ""));
    CHECK(complains() == "walcast");

    static_cast<void>(folder.file("walcast.yml", "Walcast: {Slot: beside}\n"));
    static_cast<void>(folder.file("config.yml", std::string(enough) + "    Walcast: {Shards: 1}\n"));
    CHECK(complains() == "DIR/walcast.yml:1: Walcast: DIR/config.yml has this section too; keep one of them");
}

TEST_CASE("what the health aggregator compares is of the file's bytes") {
    const config_folder folder;
    const auto path = folder.file("config.yml", enough);
    std::filesystem::last_write_time(path, std::chrono::file_clock::from_sys(std::chrono::sys_seconds(
                                               std::chrono::seconds(1'700'000'000))));
    const auto c = load_config(path, {});
    CHECK(c.source_path == path);
    CHECK(c.source_timestamp == doctest::Approx(1'700'000'000.0).epsilon(1e-12));
    // sha256sum of the text
    CHECK(c.source_sha256 == "54c8f9e8800b27c1904cf2e2ad1c19f3872ade7dd10bae22190c0b7a860f021a");
}

TEST_CASE("anchors and merge keys") {
    const auto c = load_text(R"(x-defaults: &limits {FeedAge: 2m, MaxConnections: 7, Shards: 9}
Clusters:
  zzzzz:
    PostgreSQL: &pg {Connection: &conn {host: db, user: a}}
    Services: {Websocket: {InternalURLs: {"http://localhost:8005": {}}}}
    Walcast:
      <<: [*limits, {Shards: 8, QueryConnections: 3}]
      MaxConnections: 6
)");
    CHECK(c.feed_age == 2min);
    CHECK(c.max_connections == 6);
    CHECK(c.shards == 9);
    CHECK(c.query_connections == 3);
}

TEST_CASE("a connection string quotes each value") {
    CHECK(connection_string({}).empty());
    CHECK(connection_string({{"host", "db"}, {"password", R"(a'b\c d)"}, {"user", ""}}) ==
          R"(host='db' password='a\'b\\c d' user='')");
}

TEST_CASE("certificates are paths or PEM text") {
    const config_folder folder;
    const auto tls = [&](std::string_view certificate, std::string_view key) {
        return load_config(folder.file("config.yml", std::string(enough) + "    TLS:\n      Certificate: " +
                                                         std::string(certificate) +
                                                         "\n      Key: " + std::string(key) + "\n"),
                           "https://127.0.0.1:8005");
    };
    const auto pem = folder.file("cert.pem", "-----BEGIN CERTIFICATE-----\n");
    auto c = tls("file://" + pem, pem);
    CHECK(c.listen.tls);
    CHECK(c.tls_certificate == pem);
    CHECK(c.tls_key == pem);
    CHECK_FALSE(is_pem(c.tls_key));

    c = tls("|\n        -----BEGIN CERTIFICATE-----\n        abc",
            "\"-----BEGIN PRIVATE KEY-----\\nabc\\n\"");
    CHECK(c.tls_certificate == "-----BEGIN CERTIFICATE-----\nabc\n");
    CHECK(c.tls_key == "-----BEGIN PRIVATE KEY-----\nabc\n");
    CHECK(is_pem(c.tls_key));
}
