#include "tests/unit/config/config_file.hpp"

#include <chrono>
#include <doctest/doctest.h>

using namespace walcast;

TEST_CASE("what is enough is accepted") {
    CHECK(complaint(enough).empty());
    CHECK(complaint_about("Walcast: {}").empty());
    CHECK(complaint_about("Walcast:").empty());
}

TEST_CASE("files that are no configuration") {
    const config_folder folder;
    const auto load = [&](const std::string &path) -> std::string {
        try {
            static_cast<void>(load_config(path, {}));
            return {};
        } catch (const config_error &error) {
            return folder.without_folder(error.what());
        }
    };
    CHECK(load((folder.path() / "none.yml").string()) ==
          "DIR/none.yml: cannot be read: No such file or directory");
    CHECK(load(folder.path().string()) == "DIR: cannot be read: Is a directory");
    CHECK(load(folder.file("big.yml", std::string((std::size_t{16} << 20) + 1, ' '))) ==
          "DIR/big.yml: larger than 16 MiB");
    const auto no_clusters =
        "no Clusters here; is this Arvados' config.yml? (a file of the old format needs -legacy-ws-config)";
    CHECK(complaint("") == "DIR/config.yml:1: " + std::string(no_clusters));
    CHECK(complaint("# nothing\n") == "DIR/config.yml:1: " + std::string(no_clusters));
    CHECK(complaint("Client: {}\n") == "DIR/config.yml:1: " + std::string(no_clusters));
    CHECK(complaint("- a\n- b\n") == "DIR/config.yml:1: must be a map, not a list");
    CHECK(complaint("just text\n") == "DIR/config.yml:1: must be a map, not a single value");
}

TEST_CASE("broken YAML names the line and repeats nothing of it") {
    CHECK(complaint("Clusters:\n  zzzzz: {a: b\n") ==
          "DIR/config.yml:2: not valid YAML: end of map flow not found");
    CHECK(complaint("Clusters:\n\tzzzzz: 1\n").starts_with("DIR/config.yml:2: not valid YAML: "));
    for (const auto *line :
         {"SystemRootToken: *hushhush", "SystemRootToken: \"\\hushhush\"", "SystemRootToken: \"hushhush",
          "SystemRootToken: &hush &hush x", "SystemRootToken: hush: hush"}) {
        const auto said = complaint_about(line);
        CHECK_MESSAGE(said.starts_with("DIR/config.yml:"), std::string(line));
        CHECK_MESSAGE(said.find("hush") == std::string::npos, said);
    }
}

TEST_CASE("clusters") {
    CHECK(complaint("Clusters:\n") == "DIR/config.yml:1: Clusters: is empty");
    CHECK(complaint("Clusters: {}\n") == "DIR/config.yml:1: Clusters: is empty");
    CHECK(complaint("Clusters: zzzzz\n") == "DIR/config.yml:1: Clusters: must be a map, not a single value");
    CHECK(complaint("Clusters:\n  zzzzz: 5\n") ==
          "DIR/config.yml:2: Clusters.zzzzz: must be a map, not a single value");
    CHECK(complaint("Clusters:\n  zzzzz: {}\n  yyyyy: {}\n") ==
          "DIR/config.yml:3: Clusters.yyyyy: only one cluster can be served, and zzzzz stands before it");
    CHECK(complaint("Clusters:\n  zzzzz: {}\n  zzzzz: {}\n") ==
          "DIR/config.yml:3: Clusters.zzzzz: given twice");
    for (const auto *id : {"zzzz", "zzzzzz", "ZZZZZ", "zz-zz", "\"\""}) {
        const auto said = complaint("Clusters: {" + std::string(id) + ": {}}\n");
        CHECK_MESSAGE(said.ends_with(": a cluster's id has five of a-z and 0-9"), said);
    }
    CHECK(complaint("Clusters: {12345: {}}\n") ==
          "DIR/config.yml: Clusters.12345.PostgreSQL.Connection: is missing or empty, "
          "so there is no database to read");
    CHECK(complaint("Clusters: {[a]: {}}\n") == "DIR/config.yml:1: Clusters: a key must be a single value");
}

TEST_CASE("unknown keys where we know them all") {
    CHECK(complaint_about("Walcast:\n      Slott: a") ==
          "DIR/config.yml:8: Clusters.zzzzz.Walcast.Slott: unknown key (did you mean Slot?)");
    CHECK(complaint_about("Walcast: {feedbytes: 1}") ==
          "DIR/config.yml:7: Clusters.zzzzz.Walcast.feedbytes: unknown key (did you mean FeedBytes?)");
    CHECK(complaint_about("Walcast: {Colour: red}") ==
          "DIR/config.yml:7: Clusters.zzzzz.Walcast.Colour: unknown key");
    CHECK(complaint_about("Walcast: {Slot: a, Slot: b}") ==
          "DIR/config.yml:7: Clusters.zzzzz.Walcast.Slot: given twice");
    CHECK(complaint_about("Walkast: {Slot: a}") ==
          "DIR/config.yml:7: Clusters.zzzzz.Walkast: unknown key (did you mean Walcast?)");
    CHECK(complaint(std::string(enough) + "Walcast: {Slot: a}\n") ==
          "DIR/config.yml:7: Walcast: belongs into Clusters.<id>, or into walcast.yml beside this file");
    CHECK(complaint("Clusters:\n  zzzzz:\n    Services: {Websocket: {InternalURL: {}}}\n") ==
          "DIR/config.yml:3: Clusters.zzzzz.Services.Websocket.InternalURL: unknown key (did you mean "
          "InternalURLs?)");
    CHECK(complaint("Clusters:\n  zzzzz:\n    Services: {Websocket: {InternalURLs: {\"http://h:1\": {Listen: "
                    "x}}}}\n") ==
          "DIR/config.yml:3: Clusters.zzzzz.Services.Websocket.InternalURLs.http://h:1.Listen: unknown key "
          "(the only one is "
          "ListenURL)");
    CHECK(complaint_about("API: {sendTimeout: 1s}") ==
          "DIR/config.yml:7: Clusters.zzzzz.API.sendTimeout: unknown key (did you mean SendTimeout?)");
    CHECK(complaint_about("managementToken: x") ==
          "DIR/config.yml:7: Clusters.zzzzz.managementToken: unknown key (did you mean ManagementToken?)");
}

TEST_CASE("keys of other services are passed over") {
    for (const auto *line :
         {"API: {MaxItemsPerResponse: [1]}", "Login: {Google: {Enable: true}}", "Collections: 5", "Wasp: 1",
          "TLS: {Automatic: true}", "PostgreSQLx: 1", "InstanceTypes: {[a]: b}"})
        CHECK_MESSAGE(complaint_about(line).empty(), std::string(line));
}

TEST_CASE("values of the wrong kind") {
    const auto said = [](std::string_view line) {
        const auto text = complaint_about(line);
        const std::string_view start = "DIR/config.yml:7: Clusters.zzzzz.";
        return text.starts_with(start) ? text.substr(start.size()) : text;
    };
    CHECK(said("API: 5") == "API: must be a map, not a single value");
    CHECK(said("Walcast: [1]") == "Walcast: must be a map, not a list");
    CHECK(said("Walcast: {Slot: {a: b}}") == "Walcast.Slot: must be a single value, not a map");
    CHECK(said("Walcast: {Slot: \"\"}") ==
          "Walcast.Slot: \"\" is not a name of at most 63 of a-z, 0-9 and _");
    CHECK(said("Walcast: {Slot: My-Slot}") ==
          "Walcast.Slot: \"My-Slot\" is not a name of at most 63 of a-z, 0-9 and _");
    CHECK(said("Walcast: {Publication: a b}") ==
          "Walcast.Publication: \"a b\" is not a name of at most 63 of a-z, 0-9 and _");
    CHECK(said("Walcast: {Source: slots}") == "Walcast.Source: \"slots\" is none of auto, slot, listener");
    CHECK(said("Walcast: {Shards: many}") == "Walcast.Shards: \"many\" is not a whole number");
    CHECK(said("Walcast: {Shards: -1}") == "Walcast.Shards: \"-1\" is not a whole number");
    CHECK(said("Walcast: {Shards: 1.5}") == "Walcast.Shards: \"1.5\" is not a whole number");
    CHECK(said("Walcast: {Shards: 257}") == "Walcast.Shards: 257 is out of range: 0 to 256");
    CHECK(said("Walcast: {MaxConnections: 0}") == "Walcast.MaxConnections: 0 is out of range: 1 to 1000000");
    CHECK(said("Walcast: {MaxConnections: 99999999999999999999}") ==
          "Walcast.MaxConnections: 99999999999999999999 is out of range: 1 to 1000000");
    CHECK(said("Walcast: {FeedBytes: lots}") ==
          "Walcast.FeedBytes: \"lots\" is not a size such as 128MiB, 64K or 4096");
    CHECK(said("Walcast: {FeedBytes: 1K}") == "Walcast.FeedBytes: 1K is out of range: 1MiB to 1TiB");
    CHECK(said("Walcast: {FeedAge: 5}") ==
          "Walcast.FeedAge: \"5\" is not a time such as 500ms, 60s, 1m30s or 1h");
    CHECK(said("Walcast: {FeedAge: 0}") == "Walcast.FeedAge: 0 is out of range: 1s to 168h");
    CHECK(said("API: {SendTimeout: 60}") ==
          "API.SendTimeout: \"60\" is not a time such as 500ms, 60s, 1m30s or 1h");
    CHECK(said("API: {SendTimeout: 0s}") == "API.SendTimeout: 0s is out of range: 10ms to 24h");
    CHECK(said("API: {WebsocketClientEventQueue: x}") ==
          "API.WebsocketClientEventQueue: \"x\" is not a whole number");
    CHECK(said("Users: {RoleGroupsVisibleToAll: 2}") ==
          "Users.RoleGroupsVisibleToAll: \"2\" is neither true nor false");
    CHECK(said("SystemLogs: {LogLevel: loud}") ==
          "SystemLogs.LogLevel: \"loud\" is none of panic, fatal, error, warn, info, debug, trace");
    CHECK(said("SystemLogs: {Format: xml}") == "SystemLogs.Format: \"xml\" is none of json, text");
}

TEST_CASE("no secret is repeated") {
    for (const auto *line :
         {"ManagementToken: {hush: hush}", "SystemRootToken: [hush]", "Users: {AnonymousUserToken: v2/hush}",
          "TLS: {Key: hush}", "TLS: {Certificate: hush/hush}"}) {
        const auto said = complaint_about(line);
        CHECK_MESSAGE(!said.empty(), std::string(line));
        CHECK_MESSAGE(said.substr(said.rfind(':')).find("hush") == std::string::npos, said);
    }
    CHECK(complaint_about("Users: {AnonymousUserToken: v2/hush}") ==
          "DIR/config.yml:7: Clusters.zzzzz.Users.AnonymousUserToken: starts like a v2 token but is not "
          "v2/<uuid>/<secret>");
    CHECK(complaint_about("TLS: {Key: hush}") ==
          "DIR/config.yml:7: Clusters.zzzzz.TLS.Key: is neither file:///path nor PEM text");
}

TEST_CASE("the database") {
    const auto with = [](std::string_view connection) {
        return complaint("Clusters:\n  zzzzz:\n    PostgreSQL: {Connection: " + std::string(connection) +
                         "}\n");
    };
    const std::string missing = "DIR/config.yml: Clusters.zzzzz.PostgreSQL.Connection: is missing or empty, "
                                "so there is no database to read";
    CHECK(complaint("Clusters: {zzzzz: {}}\n") == missing);
    CHECK(with("{}") == missing);
    CHECK(with("{host: \"\", dbname: ~}") == missing);
    const std::string place = "DIR/config.yml:3: Clusters.zzzzz.PostgreSQL.Connection";
    CHECK(with("host=db") == place + ": must be a map, not a single value");
    CHECK(with("{host: [a, b]}") == place + ".host: must be a single value, not a list");
    CHECK(with("{Host: a, host: b}") == place + ".host: given twice, in upper and lower case");
    CHECK(with("{\"ho st\": a}") == place + ".ho st: is not the name of a connection parameter of libpq");
    CHECK(with("{password: \"a\\0b\"}") == place + ".password: contains a NUL character");
}

TEST_CASE("the listener") {
    const auto with = [](std::string_view urls, const std::string &internal_url = {}) {
        return complaint("Clusters:\n  zzzzz:\n    PostgreSQL: {Connection: {host: db}}\n    Services: "
                         "{Websocket: {InternalURLs: " +
                             std::string(urls) + "}}\n",
                         internal_url);
    };
    const std::string place = "Clusters.zzzzz.Services.Websocket.InternalURLs";
    CHECK(with("{}") == "DIR/config.yml: " + place +
                            ": is empty, so there is nowhere to listen; add \"http://localhost:8005\": {}");
    CHECK(with("{}", "http://localhost:8005").empty());
    CHECK(with("{\"http://localhost:8005\":}").empty());
    CHECK(with("[\"http://localhost:8005\"]") ==
          "DIR/config.yml:4: " + place + ": must be a map, not a list");
    CHECK(with("{\"localhost:8005\": {}}") ==
          "DIR/config.yml:4: " + place + ".localhost:8005: is not a URL such as http://host:port");
    CHECK(with("{\"http://h:1\": {ListenURL: \":8005\"}}") ==
          "DIR/config.yml:4: " + place +
              ".http://h:1.ListenURL: \":8005\" is not a URL such as http://host:port");
}

TEST_CASE("TLS needs a certificate and a key that can be read") {
    const std::string place = "DIR/config.yml: Clusters.zzzzz.TLS.";
    CHECK(complaint(enough, "https://127.0.0.1:1") ==
          place + "Certificate: is needed, because the URL to listen at is https");
    const auto tls = std::string(enough) + "    TLS: {Certificate: \"-----BEGIN CERTIFICATE-----\", Key: ";
    CHECK(complaint(tls + "\"\"}\n", "https://127.0.0.1:1") ==
          place + "Key: is needed, because the URL to listen at is https");
    CHECK(complaint(tls + "file:///no/such/key.pem}\n", "https://127.0.0.1:1") ==
          place + "Key: /no/such/key.pem cannot be read: No such file or directory");
    CHECK(complaint(tls + "/dev/null}\n", "https://127.0.0.1:1") ==
          place + "Key: /dev/null cannot be read: it is empty");
    CHECK(complaint(tls + "file:///no/such/key.pem}\n").empty()); // not needed for http
}

TEST_CASE("aliases of aliases cost no more than they weigh") {
    const auto start = std::chrono::steady_clock::now();
    std::string laughs = "l0: &l0 {a: 1, b: 2}\n";
    for (int i = 1; i < 30; ++i) {
        const auto before = "*l" + std::to_string(i - 1);
        laughs += "l" + std::to_string(i) + ": &l" + std::to_string(i) + " {<<: [" + before + ", " + before +
                  ", " + before + ", " + before + "], x: [" + before + ", " + before + "]}\n";
    }
    CHECK(complaint(laughs + std::string(enough)).empty());
    CHECK(complaint(laughs + std::string(enough) + "    Walcast: *l29\n") ==
          "DIR/config.yml:37: Clusters.zzzzz.Walcast: `<<` goes too deep");
    CHECK(complaint(laughs + std::string(enough) + "    Walcast: *l8\n") ==
          "DIR/config.yml:37: Clusters.zzzzz.Walcast: has too many entries");
    CHECK(complaint(std::string(enough) + "    Walcast: &self {<<: *self}\n") ==
          "DIR/config.yml:7: Clusters.zzzzz.Walcast: `<<` goes too deep");
    CHECK(complaint(std::string(100'000, '[')).starts_with("DIR/config.yml:1: not valid YAML: "));
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(20));
}
