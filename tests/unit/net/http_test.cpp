#include "server/net/frame_header.hpp"
#include "server/net/http.hpp"
#include "server/protocol/query.hpp"

#include <doctest/doctest.h>
#include <string>

using namespace walcast;
using namespace std::string_literals;
namespace http = boost::beast::http;

namespace {
http_request get(const std::string &target, const std::string &authorization = {}) {
    http_request made(http::verb::get, target, 11);
    if (!authorization.empty())
        made.set(http::field::authorization, authorization);
    return made;
}
unsigned status_of(const http_request &request, const std::string &token = "manage") {
    const auto decided = route_request(request, token);
    return decided.answer ? decided.answer->result_int() : 0;
}
} // namespace

TEST_CASE("parameters of a query") {
    CHECK(query_parameter("/websocket?api_token=v2/a/b", "api_token") == "v2/a/b");
    CHECK(query_parameter("/w?x=1&api%5Ftoken=%2B+%zz&api_token=second", "api_token") == "+ %zz");
    CHECK(query_parameter("/w?api_token", "api_token") == "");
    CHECK(query_parameter("/w?api_token=%00", "api_token") == "\0"s);
    CHECK_FALSE(query_parameter("/w?xapi_token=1", "api_token"));
    CHECK_FALSE(query_parameter("/w", "api_token"));
}

TEST_CASE("management endpoints want their token") {
    CHECK(status_of(get("/_health/ping")) == 401);
    CHECK(status_of(get("/_health/ping", "Bearer wrong")) == 403);
    CHECK(route_request(get("/_health/ping", "bearer manage"), "manage").route == http_route::health);
    CHECK(status_of(get("/_health/ping", "Bearer manage"), "") == 404);
    CHECK(status_of(get("/_health/nope", "Bearer manage")) == 404);
    CHECK(status_of(get("/status.json")) == 401);
    CHECK(status_of(get("/status.json"), "") == 404);
    CHECK(status_of(get("/metrics")) == 401);
    CHECK(route_request(get("/metrics"), "").route == http_route::metrics);
    CHECK(status_of(get("/websocket/")) == 404);
}

TEST_CASE("an upgrade must be one") {
    CHECK(status_of(get("/websocket")) == 400);
    auto request = get("/websocket");
    request.set(http::field::connection, "keep-alive, Upgrade");
    request.set(http::field::upgrade, "websocket");
    CHECK(status_of(request) == 400); // no version
    request.set(http::field::sec_websocket_version, "13");
    CHECK(route_request(request, "").route == http_route::v0);
    request.method(http::verb::post);
    CHECK(status_of(request) == 405);
}

TEST_CASE("a Date as RFC 9110 wants it") {
    CHECK(http_date(784'111'777) == "Sun, 06 Nov 1994 08:49:37 GMT");
}

TEST_CASE("the header of a frame, for each width of its length") {
    CHECK(frame_header(frame_kind::text, 0).bytes() == "\x81\0"s);
    CHECK(frame_header(frame_kind::text, 125).bytes() == "\x81\x7d"s);
    CHECK(frame_header(frame_kind::text, 126).bytes() == "\x81\x7e\0\x7e"s);
    CHECK(frame_header(frame_kind::text, 65'535).bytes() == "\x81\x7e\xff\xff"s);
    CHECK(frame_header(frame_kind::text, 65'536).bytes() == "\x81\x7f\0\0\0\0\0\1\0\0"s);
    CHECK(frame_header(frame_kind::binary, 1).bytes() == "\x82\1"s);
}

TEST_CASE("where the token of a client is") {
    CHECK(token_of(get("/websocket?api_token=v2/a/b")) == "v2/a/b");
    CHECK(token_of(get("/websocket?api_token=v2/a/b", "Bearer other")) == "v2/a/b");
    CHECK(token_of(get("/websocket?api_token=", "Bearer v2/a/b")) == "v2/a/b");
    for (const auto *header : {"Bearer v2/a/b", "bearer v2/a/b", "OAuth2 v2/a/b", "Bearer  v2/a/b",
                               "Basic bm9uZTp2Mi9hL2I=", "Basic OnYyL2EvYg=="}) // none:v2/a/b, :v2/a/b
        CHECK_MESSAGE(token_of(get("/websocket", header)) == "v2/a/b", header);
    CHECK(token_of(get("/websocket", "Basic OmE6Yg==")) == "a:b");
    for (const auto *header :
         {"", "Bearer", "v2/a/b", "Digest v2/a/b", "Basic v2/a/b", "Basic !!!!", "Basic bm8=", "Basic ="})
        CHECK_MESSAGE(token_of(get("/websocket", header)).empty(), header);
}
