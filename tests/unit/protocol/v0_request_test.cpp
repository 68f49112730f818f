#include "server/protocol/v0_request.hpp"

#include "tests/unit/protocol/support.hpp"

#include <doctest/doctest.h>

using namespace walcast;
using namespace walcast::test;
using namespace std::string_literals;

namespace {

bool bad(std::string_view message) {
    return std::holds_alternative<v0_bad_request>(parse_v0_request(message));
}

v0_subscribe subscribe(std::string_view message) {
    auto request = parse_v0_request(message);
    REQUIRE_MESSAGE(std::holds_alternative<v0_subscribe>(request), std::string(message.substr(0, 100)));
    return std::get<v0_subscribe>(std::move(request));
}

} // namespace

TEST_CASE("a subscribe as each client writes it") {
    CHECK(subscribe(R"({"method":"subscribe"})").filter.canonical() == "null");
    const auto python = subscribe(
        R"({"method": "subscribe", "filters": [["event_type", "in", ["create"]]], "last_log_id": 41})");
    CHECK(python.filter.canonical() == R"([["event_type","in",["create"]]])");
    CHECK(python.last_log_id == log_id{41});
    CHECK_FALSE(subscribe(R"({"method":"subscribe","last_log_id":0})").last_log_id);
    CHECK(subscribe(R"({"method":"subscribe","last_log_id":-1})").last_log_id == log_id{-1});
    CHECK(subscribe(R"({"last_log_id":9223372036854775807,"method":"subscribe"})").last_log_id ==
          log_id{9'223'372'036'854'775'807});
}

TEST_CASE("an unsubscribe names its list") {
    const auto request = parse_v0_request(R"({"method":"unsubscribe","filters":[ ["a" , "b", 1] ]})");
    REQUIRE(std::holds_alternative<v0_unsubscribe>(request));
    CHECK(std::get<v0_unsubscribe>(request).canonical ==
          subscribe(R"({"method":"subscribe","filters":[["a","b",1.0]]})").filter.canonical());
}

TEST_CASE("an empty message wants no answer") {
    CHECK(std::holds_alternative<v0_empty>(parse_v0_request("")));
    CHECK(bad(" "));
}

TEST_CASE("leniency as in arvados-ws") {
    CHECK(subscribe(R"({"Method":"subscribe","FILTERS":[],"Last_Log_Id":7,"x":{"y":[{}]}})").last_log_id ==
          log_id{7});
    CHECK(subscribe(R"({"\u006dethod":"\u0073ubscribe","filters":null,"last_log_id":null})")
              .filter.canonical() == "null");
    CHECK(subscribe(R"({"method":"x","method":"subscribe","last_log_id":1,"last_log_id":2})").last_log_id ==
          log_id{2});
    CHECK(subscribe("\r\n\t {\"method\" : \"subscribe\"} \n").filter.canonical() == "null");
    CHECK(subscribe(R"({"method":"subscribe","filters":[null,[]]})").filter.canonical() == "[null,[]]");
}

TEST_CASE("bad bytes and half surrogates in a message are replaced, as in arvados-ws") {
    const auto replaced = subscribe("{\"method\":\"subscribe\",\"filters\":[[\"\xff\"]]}").filter;
    CHECK(replaced.canonical() == "[[\"\ufffd\"]]");
    CHECK(replaced.canonical() ==
          subscribe(R"({"method":"subscribe","filters":[["\ud800"]]})").filter.canonical());
    CHECK(replaced.canonical() ==
          subscribe(R"({"method":"subscribe","filters":[["\udc00"]]})").filter.canonical());
    CHECK(subscribe("{\"method\":\"subscribe\",\"\xff\":1}").filter.canonical() == "null");
}

TEST_CASE("what is not understood is a bad request") {
    for (const auto *message : {"hello",
                                "null",
                                "5",
                                "[]",
                                "\"subscribe\"",
                                "{}",
                                "^]beep",
                                R"({"21":12})",
                                R"({"method":5})",
                                R"({"method":null})",
                                R"({"method":""})",
                                R"({"method":"SUBSCRIBE"})",
                                R"({"method":"subscribe "})",
                                R"({"method":"subscribe"} x)",
                                R"({"method":"subscribe"}{})",
                                R"({"method":"subscribe",})",
                                R"({"method":"subscribe")",
                                R"({'method':'subscribe'})",
                                R"({"method":"subscribe","filters":{}})",
                                R"({"method":"subscribe","filters":[1]})",
                                R"({"method":"subscribe","filters":"x"})",
                                R"({"method":"subscribe","filters":false})",
                                R"({"method":"subscribe","last_log_id":"5"})",
                                R"({"method":"subscribe","last_log_id":1.5})",
                                R"({"method":"subscribe","last_log_id":1e3})",
                                R"({"method":"subscribe","last_log_id":[1]})",
                                R"({"method":"subscribe","last_log_id":9223372036854775808})",
                                R"({"method":"unsubscribe","filters":5})",
                                "{\"method\":\"subscribe\",\"a\":\"\n\"}"})
        CHECK_MESSAGE(bad(message), message);
    CHECK(bad("{\"method\":\"subscribe\"}\0"s));
    CHECK(bad("\0{\"method\":\"subscribe\"}"s));
    CHECK(bad("\xef\xbb\xbf{\"method\":\"subscribe\"}"));
    CHECK(bad("{\"method\":\"subscribe\0\"}"s));
}

TEST_CASE("hostile messages take linear time and no stack") {
    constexpr std::size_t size = std::size_t{2} << 20;
    CHECK(bad(repeat("[", size)));
    CHECK(bad(repeat("{\"a\":", size / 5)));
    CHECK(bad(R"({"method":"subscribe","filters":)" + repeat("[", 1'000'000) + repeat("]", 1'000'000) + "}"));
    CHECK(
        subscribe(R"({"x":)" + repeat("[", 1'000'000) + repeat("]", 1'000'000) + R"(,"method":"subscribe"})")
            .filter.canonical() == "null");
    CHECK(subscribe("{" + repeat(R"("filters":[["a"]],)", size / 18) + R"("method":"subscribe"})")
              .filter.canonical() == R"([["a"]])");
    CHECK(bad("{\"" + repeat("\\u0061", size / 6)));
    CHECK(
        subscribe("{\"" + repeat("\\ud800", size / 6) + R"(":1,"method":"subscribe"})").filter.canonical() ==
        "null");
    CHECK(bad(R"({"method":")" + std::string(size, 's') + "\"}"));
    CHECK(bad(R"({"method":"subscribe","last_log_id":)" + std::string(size, '9') + "}"));
    CHECK(subscribe(R"({"method":"subscribe","x":")" + std::string(1'000'000, 'x') + "\"}")
              .filter.canonical() == "null");
}
