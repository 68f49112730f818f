#include "server/listen_url.hpp"

#include <doctest/doctest.h>

using namespace walcast;

namespace {

struct choice {
    listen_address address;
    std::vector<std::string> warnings;
};

choice choose(const std::vector<internal_url> &urls, const std::string &wanted = {}) {
    choice made;
    made.address = choose_listener(urls, wanted, "config.yml: InternalURLs", made.warnings);
    return made;
}

std::string refusal(const std::vector<internal_url> &urls, const std::string &wanted = {}) {
    try {
        static_cast<void>(choose(urls, wanted));
        return {};
    } catch (const config_error &error) {
        return error.what();
    }
}

} // namespace

TEST_CASE("URLs to listen at") {
    CHECK(parse_listen_url("http://localhost:8005") == listen_address{false, "localhost", 8005});
    CHECK(parse_listen_url("http://localhost:8005/") == listen_address{false, "localhost", 8005});
    CHECK(parse_listen_url("https://ws.zzzzz.example.com") ==
          listen_address{true, "ws.zzzzz.example.com", 443});
    CHECK(parse_listen_url("wss://10.0.0.1:9000/") == listen_address{true, "10.0.0.1", 9000});
    CHECK(parse_listen_url("ws://host/") == listen_address{false, "host", 80});
    CHECK(parse_listen_url("http://:8765/") == listen_address{false, "", 8765});
    CHECK(parse_listen_url("http://[::1]:8005/") == listen_address{false, "::1", 8005});
    CHECK(parse_listen_url("https://[fe80::1]/") == listen_address{true, "fe80::1", 443});
    for (const auto *bad : {"", "localhost:8005", "ftp://host:1", "http://", "http://host:0",
                            "http://host:65536", "http://host:x", "http://host:", "http://host/path",
                            "http://user:pw@host:1", "http://[::1", "http://[]:1", "http://[::1]1",
                            "http://::1:80", "http://ho st:1", "http://host:1?x=y", "http:/host"})
        CHECK_FALSE_MESSAGE(parse_listen_url(bad).has_value(), std::string(bad));
}

TEST_CASE("whose addresses are ours") {
    CHECK(is_local(""));
    CHECK(is_local("0.0.0.0"));
    CHECK(is_local("127.0.0.1"));
    CHECK(is_local("localhost"));
    CHECK_FALSE(is_local("192.0.2.1")); // TEST-NET-1 of RFC 5737
    CHECK_FALSE(is_local("no-such-host.invalid"));
}

TEST_CASE("the only URL is taken, local or not") {
    CHECK(choose({{"http://ws.example:8005/", ""}}).address == listen_address{false, "ws.example", 8005});
    CHECK(choose({{"https://ws.example/", "http://127.0.0.1:9005"}}).address ==
          listen_address{false, "127.0.0.1", 9005});
}

TEST_CASE("the first local one of several is taken") {
    const internal_url elsewhere{"http://192.0.2.1:8005", ""};
    const internal_url also_elsewhere{"http://127.0.0.1:1", "http://192.0.2.1:1"};
    const internal_url here{"http://127.0.0.1:8006", ""};
    const internal_url also_here{"https://192.0.2.2", "http://0.0.0.0:8005"};
    CHECK(choose({elsewhere, here, also_here}).address == listen_address{false, "127.0.0.1", 8006});
    CHECK(choose({also_elsewhere, also_here}).address == listen_address{false, "0.0.0.0", 8005});
    CHECK(refusal({elsewhere, also_elsewhere}) == "config.yml: InternalURLs: none of these is an address of "
                                                  "this machine; set $ARVADOS_SERVICE_INTERNAL_URL to the "
                                                  "one to serve, or a ListenURL in its entry");
}

TEST_CASE("$ARVADOS_SERVICE_INTERNAL_URL picks one, whatever its slash") {
    const std::vector<internal_url> urls{{"https://one.example/", "http://localhost:12435/"},
                                         {"https://two.example/", "http://localhost:12436/"},
                                         {"http://three.example:8005", ""}};
    CHECK(choose(urls, "https://two.example").address == listen_address{false, "localhost", 12436});
    CHECK(choose(urls, "http://three.example:8005/").address == listen_address{false, "three.example", 8005});
    CHECK(choose(urls, "https://two.example").warnings.empty());
}

TEST_CASE("$ARVADOS_SERVICE_INTERNAL_URL is obeyed with a warning if there is no such entry") {
    for (const auto &urls :
         {std::vector<internal_url>{}, std::vector<internal_url>{{"http://one.example:1", ""}}}) {
        const auto made = choose(urls, "http://127.0.0.1:8005");
        CHECK(made.address == listen_address{false, "127.0.0.1", 8005});
        REQUIRE(made.warnings.size() == 1);
        CHECK(made.warnings[0] ==
              "listening on http://127.0.0.1:8005 as $ARVADOS_SERVICE_INTERNAL_URL says, although "
              "Services.Websocket.InternalURLs has no such entry");
    }
    CHECK(refusal({}, "localhost:8005") ==
          "$ARVADOS_SERVICE_INTERNAL_URL: \"localhost:8005\" is not a URL such as http://host:port");
}

TEST_CASE("no URL at all") {
    CHECK(refusal({}) == "config.yml: InternalURLs: is empty, so there is nowhere to listen; add "
                         "\"http://localhost:8005\": {}");
}
