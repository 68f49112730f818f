#include "server/net/http_api.hpp"

#include <doctest/doctest.h>
#include <string>

using namespace walcast;
namespace http = boost::beast::http;

namespace {

http_request ask(http::verb method, const std::string &target = "/arvados/v1/latest/x?api_token=t") {
    return http_request(method, target, 11);
}

} // namespace

TEST_CASE("an ETag is of the bytes alone") {
    const auto tag = etag_of("{}");
    CHECK(tag == "\"RBNvo1WzZ4oRRq0W9-hkng\""); // SHA-256 of {}, its first half
    CHECK(etag_of("{}") == tag);
    CHECK(etag_of("{} ") != tag);
}

TEST_CASE("If-None-Match") {
    for (const auto *list :
         {R"("a")", R"(W/"a")", R"("b","a")", R"("b" , W/"a" ,)", "*", " * ", R"(	"a")"})
        CHECK_MESSAGE(etag_matches(list, R"("a")"), list);
    for (const auto *list : {"", ",", "a", R"("b")", R"("a)", R"(w/"a")", R"("a""b")", R"("A")"})
        CHECK_MESSAGE(!etag_matches(list, R"("a")"), list);
}

TEST_CASE("what is answered by the method and the headers") {
    const auto status = [](const http_request &request) {
        const auto decided = route_api(request, http_route::latest);
        return decided.answer ? decided.answer->result_int() : 0;
    };
    CHECK(status(ask(http::verb::get)) == 0);
    CHECK(status(ask(http::verb::head)) == 0);
    CHECK(status(ask(http::verb::post)) == 405);
    CHECK(status(ask(http::verb::get, "/arvados/v1/latest/x")) == 401);
    CHECK(status(ask(http::verb::options, "/arvados/v1/latest/x")) == 200);
}

TEST_CASE("an error is v1's, with Arvados' list") {
    CHECK(api_failure(v1_error::not_found, "no \"x\"").body ==
          "{\"op\":\"error\",\"code\":\"not_found\",\"message\":\"no \\\"x\\\"\",\"errors\":[\"no "
          "\\\"x\\\"\"]}\n");
    const auto again = api_failure(v1_failure("a", v1_error::not_allowed, "no \"x\""));
    CHECK(again.status == http::status::forbidden);
    CHECK(again.body == api_failure(v1_error::not_allowed, "no \"x\"").body);
    CHECK(api_failure("nonsense").status == http::status::service_unavailable);
}

TEST_CASE("304 has no body, no length and no type; HEAD has the length of GET") {
    auto made = make_api_response(ask(http::verb::get),
                                  {.status = http::status::not_modified, .etag = "\"a\"", .token = "T"});
    CHECK(made.count(http::field::content_length) == 0);
    CHECK(made.count(http::field::content_type) == 0);
    CHECK(made[http::field::etag] == "\"a\"");
    CHECK(made["Walcast-Token"] == "T");
    made = make_api_response(ask(http::verb::head), {.body = "{}"});
    CHECK(made.body().empty());
    CHECK(made[http::field::content_length] == "2");
    CHECK(made[http::field::access_control_allow_origin] == "*");
}
