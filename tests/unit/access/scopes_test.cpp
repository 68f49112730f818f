#include "server/access/scopes.hpp"

#include <doctest/doctest.h>

using namespace walcast;

namespace {
using list = std::vector<std::string>;
const std::string collection = "/arvados/v1/collections/zzzzz-4zz18-000000000000001";
} // namespace

TEST_CASE("what a scope allows") {
    CHECK(scope_allows({"all"}, "GET", collection));
    CHECK(scope_allows({"GET /"}, "GET", collection));
    CHECK(scope_allows({"GET " + collection}, "GET", collection));
    CHECK(scope_allows({"GET /arvados/v1/collections/"}, "GET", collection));
    CHECK(scope_allows({"POST /x", "GET /arvados/v1/collections/"}, "GET", collection));
    CHECK(scope_allows({"GET /arvados/v1/collections/"}, "HEAD", collection));
    CHECK(scope_allows({}, "GET", "/arvados/v1/api_client_authorizations/current"));
    CHECK_FALSE(scope_allows({}, "DELETE", "/arvados/v1/api_client_authorizations/current"));
    for (const list &scopes :
         {list{}, list{""}, list{"ALL"}, list{"all "}, list{"GET"}, list{"GET "}, list{"/"}, list{"get /"},
          list{"GET  /"}, list{"POST /"}, list{"HEAD /"}, list{"GET /arvados/v1/collections"},
          list{"GET /arvados/v1/collections/zzzzz-4zz18-00000000000000"}, list{"GET " + collection + "/"},
          list{"GET /arvados/v1/groups/"}})
        CHECK_FALSE_MESSAGE(scope_allows(scopes, "GET", collection), (scopes.empty() ? "" : scopes.front()));
}

TEST_CASE("the request that an event stands for") {
    CHECK(read_path("zzzzz-4zz18-000000000000001") == collection);
    CHECK(read_path("d41d8cd98f00b204e9800998ecf8427e+0") ==
          "/arvados/v1/collections/d41d8cd98f00b204e9800998ecf8427e+0");
    CHECK(read_path("zzzzz-tpzed-000000000000001") == "/arvados/v1/users/zzzzz-tpzed-000000000000001");
    CHECK(read_path("zzzzz-j7d0g-000000000000001") == "/arvados/v1/groups/zzzzz-j7d0g-000000000000001");
    CHECK(read_path("yyyyy-xvhdp-000000000000001") ==
          "/arvados/v1/container_requests/yyyyy-xvhdp-000000000000001");
    for (const auto *none : {"", "zzzzz", "zzzzz-aaaaa-000000000000001", "zzzzz-4zz18-0000000000000001",
                             "zzzzz/4zz18/000000000000001"})
        CHECK_MESSAGE(read_path(none).empty(), none);
}

TEST_CASE("scopes as they are stored") {
    CHECK(parse_scopes(R"(["all"])") == list{"all"});
    CHECK(parse_scopes(R"(["GET /a", 7, null, "GET /b/"])") == list{"GET /a", "GET /b/"});
    CHECK(parse_scopes("---\n- all\n") == list{"all"});
    CHECK(parse_scopes("---\n- GET /a\n- 'GET /b'\n- \"GET /c\"") == list{"GET /a", "GET /b", "GET /c"});
    for (const auto *none : {"", "null", "all", "[", "{}", "--- []\n", "\"all\""})
        CHECK_MESSAGE(parse_scopes(none).empty(), none);
}
