#include "server/watch/watch_url.hpp"

#include "server/watch/watch_error.hpp"

#include <doctest/doctest.h>
#include <string>

using namespace walcast;

TEST_CASE("where a URL leads") {
    const auto plain = parse_watch_url("ws://127.0.0.1:8005/websocket", "t");
    CHECK(plain.over == transport::plain);
    CHECK(plain.host == "127.0.0.1");
    CHECK(plain.port == "8005");
    CHECK(plain.target == "/websocket?api_token=t");
    CHECK(plain.shown == "ws://127.0.0.1:8005/websocket");

    const auto tls = parse_watch_url("HTTPS://ws.example.org", "t");
    CHECK(tls.over == transport::tls);
    CHECK(tls.port == "443");
    CHECK(tls.target == "/websocket?api_token=t");

    const auto six = parse_watch_url("wss://[::1]:8443/x/y?a=b", "t");
    CHECK(six.host == "::1");
    CHECK(six.port == "8443");
    CHECK(six.target == "/x/y?a=b&api_token=t");
    CHECK(six.shown == "wss://[::1]:8443/x/y");

    CHECK(parse_watch_url("ws://h/?#x", "t").target == "/websocket?api_token=t");
}

TEST_CASE("a token is percent-encoded: a plus would arrive as a space, an ampersand would end it") {
    CHECK(parse_watch_url("ws://h", "v2/zzzzz-gj3su-1/a+b&c=d%#e f\u00e9~-._").target ==
          "/websocket?api_token=v2%2Fzzzzz-gj3su-1%2Fa%2Bb%26c%3Dd%25%23e%20f%C3%A9~-._");
}

TEST_CASE("a token in the URL stays, and is not shown") {
    const auto url = parse_watch_url("ws://h/websocket?api_token=v2%2Fx", "other");
    CHECK(url.target == "/websocket?api_token=v2%2Fx");
    CHECK(url.shown == "ws://h/websocket");
    CHECK(parse_watch_url("ws://h/websocket?api_token=x", "").target == "/websocket?api_token=x");
}

TEST_CASE("what is no URL of a server; the message has nothing of a token") {
    for (const auto *url : {"", "h", "h:8005", "ftp://h/", "ws://", "ws:///x", "ws://h:0/", "ws://h:70000/",
                            "ws://h/a b", "ws://h/a\r\nX: y", "ws://user:secret@h/", "//h/?api_token=secret",
                            "ws://h:x/?api_token=secret", "ws:", "ws:?://"}) {
        CAPTURE(url);
        try {
            (void)parse_watch_url(url, "secret");
            FAIL("accepted");
        } catch (const watch_error &error) {
            CHECK(std::string(error.what()).find("secret") == std::string::npos);
            CHECK(std::string(error.what()).find('\n') == std::string::npos);
        }
    }
    CHECK_THROWS_AS((void)parse_watch_url("ws://h", ""), watch_error);
    CHECK_THROWS_AS((void)parse_watch_url("ws://h?api_token=", ""), watch_error);
}

TEST_CASE("by protocol v1 the token stays out of the URL, and one URL does for both protocols") {
    const auto of = [](const char *url) { return parse_watch_url(url, "t", watch_protocol::v1); };
    CHECK(of("ws://h").target == "/arvados/v1/events.ws");
    CHECK(of("ws://h/websocket").target == "/arvados/v1/events.ws");
    CHECK(of("ws://h/elsewhere?a=b").target == "/elsewhere?a=b");
    CHECK(of("wss://h/websocket").shown == "wss://h/arvados/v1/events.ws");
    CHECK(!of("ws://h").has_token);
    const auto given = parse_watch_url("ws://h/websocket?api_token=x", "", watch_protocol::v1);
    CHECK(given.has_token);
    CHECK(given.target == "/arvados/v1/events.ws?api_token=x");
    CHECK_THROWS_AS((void)parse_watch_url("ws://h", "", watch_protocol::v1), watch_error);
}
