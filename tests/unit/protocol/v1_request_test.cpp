#include "server/protocol/v1_request.hpp"

#include "server/protocol/event_filter.hpp"
#include "tests/unit/protocol/support.hpp"

#include <doctest/doctest.h>

using namespace walcast;
using namespace walcast::test;
using namespace std::string_literals;

namespace {

v1_bad_request bad(std::string_view message) {
    auto request = parse_v1_request(message);
    REQUIRE_MESSAGE(std::holds_alternative<v1_bad_request>(request), std::string(message.substr(0, 100)));
    return std::get<v1_bad_request>(std::move(request));
}

template <class Request>
Request good(std::string_view message) {
    auto request = parse_v1_request(message);
    REQUIRE_MESSAGE(std::holds_alternative<Request>(request), std::string(message.substr(0, 100)));
    return std::get<Request>(std::move(request));
}

/// A subscribe that is complete but for this.
std::string with(std::string_view members) {
    return R"({"op":"subscribe","id":"a","topic":"events",)" + std::string(members) + "}";
}

std::string json(std::string_view text) {
    return "\"" + std::string(text) + "\"";
}

} // namespace

TEST_CASE("v1: a subscribe that leaves all to us") {
    const auto request = good<v1_subscribe>(R"({"op":"subscribe","id":"a","topic":"record/zzzzz-dz642-x"})");
    CHECK(request.id == "a");
    CHECK(request.topic == "record/zzzzz-dz642-x");
    CHECK(request.snapshot);
    CHECK_FALSE(request.after);
    CHECK_FALSE(request.select);
    CHECK(request.filters == "null");
    CHECK_FALSE(request.latest);
}

TEST_CASE("v1: a subscribe that says all") {
    const auto request = good<v1_subscribe>(
        R"({"latest":true,"filters":[["event_type", "=", "update"]],"select":["state","uuid"],"after":"AbC-_",)"
        R"("snapshot":false,"topic":"events","id":"Ü\u00fc\n","op":"subscribe"})");
    CHECK(request.id == "Üü\n");
    CHECK(request.topic == "events");
    CHECK_FALSE(request.snapshot);
    CHECK(request.after == "AbC-_");
    CHECK(request.select == std::vector<std::string>{"state", "uuid"});
    CHECK(request.filters == R"([["event_type", "=", "update"]])");
    CHECK(event_filter::compile(request.filters));
    CHECK(request.latest);
}

TEST_CASE("v1: null is as good as absent, where absent is allowed") {
    const auto request = good<v1_subscribe>(
        with(R"("snapshot":null,"after":null,"select":null,"filters":null,"latest":null)"));
    CHECK(request.snapshot);
    CHECK_FALSE(request.after);
    CHECK_FALSE(request.select);
    CHECK(request.filters == "null");
    CHECK_FALSE(request.latest);
    CHECK(bad(R"({"op":"auth","token":null})").why == R"("token" must be a string)");
    CHECK(bad(R"({"op":"unsubscribe","id":null})").why == R"("id" must be a string of 1 to 64 bytes)");
}

TEST_CASE("v1: the other messages") {
    CHECK(good<v1_auth>(R"({"op":"auth","token":"v2\/zzzzz-gj3su-000000000000000\/secret"})").token ==
          "v2/zzzzz-gj3su-000000000000000/secret");
    CHECK(good<v1_unsubscribe>(R"( {"op" : "unsubscribe" , "id" : "a"} )").id == "a");
    good<v1_nothing>(R"({"op":"pong"})");
    good<v1_nothing>("");
}

TEST_CASE("v1: what is not known is ignored, and of equal keys the last counts") {
    CHECK(
        good<v1_subscribe>(with(R"("x":{"id":"b","deep":[[{}]]},"ID":"c","Topic":5,"y":1e999,"z":"\ud800")"))
            .id == "a");
    good<v1_subscribe>("{\"\xff\":\"\xff\",\"op\":\"subscribe\",\"id\":\"a\",\"topic\":\"events\"}");
    CHECK(good<v1_unsubscribe>(R"({"id":5,"op":"auth","id":"b","op":"unsubscribe"})").id == "b");
    CHECK(bad(R"({"op":"unsubscribe","id":"b","id":5})").id.empty());
    CHECK(good<v1_unsubscribe>(R"({"op":"unsubscribe","id":"a","topic":5,"select":{}})").id == "a");
    CHECK(good<v1_unsubscribe>(R"({"\u006fp":"\u0075nsubscribe","i\u0064":"a"})").id == "a");
}

TEST_CASE("v1: a bad request says which key and what it should be, and of which subscription it is") {
    const auto check = [](std::string_view members, std::string_view why) {
        const auto request = bad(with(members));
        CHECK(request.id == "a");
        CHECK(request.why == why);
    };
    for (const auto *value : {"5", "{}", "[]", "true", R"("")", R"("\ud800")"})
        check(R"("topic":)" + std::string(value), R"("topic" must be a string of 1 to 1024 bytes)");
    for (const auto *value : {"0", R"("true")", "[true]"}) {
        check(R"("snapshot":)" + std::string(value), R"("snapshot" must be true or false)");
        check(R"("latest":)" + std::string(value), R"("latest" must be true or false)");
    }
    for (const auto *value : {"17", "[]", R"("\udc00")", "false"})
        check(R"("after":)" + std::string(value), R"("after" must be a string)");
    for (const auto *value :
         {"[]", "{}", R"("state")", "[1]", R"(["state",null])", R"([["state"]])", R"([""])", R"(["\ud800"])"})
        check(R"("select":)" + std::string(value), R"("select" must be a list of 1 to 200 names of columns)");
    for (const auto *value : {"{}", "5", R"("x")", "false"})
        check(R"("filters":)" + std::string(value), R"("filters" must be a list of conditions)");
    for (const auto *value : {R"([["\ud800"]])", "[1e999]"})
        CHECK(
            bad(with(R"("filters":)" + std::string(value))).why.starts_with(R"("filters" must be free of)"));
    CHECK(bad(R"({"op":"subscribe","topic":"events"})").why == R"("id" must be a string of 1 to 64 bytes)");
    CHECK(bad(R"({"op":"subscribe","id":"a"})").why == R"("topic" must be a string of 1 to 1024 bytes)");
    CHECK(bad(R"({"op":"subscribe","topic":5,"id":6})").why == R"("id" must be a string of 1 to 64 bytes)");
}

TEST_CASE("v1: an op that there is not") {
    for (const auto *op : {"5", "null", R"("")", R"("Subscribe")", R"("subscribe ")", R"("publish")",
                           R"("hello")", R"(["auth"])", R"("auth\ud800")"}) {
        const auto request = bad(R"({"id":"b","op":)" + std::string(op) + "}");
        CHECK(request.id == "b");
        CHECK(request.why == R"("op" must be "auth", "subscribe", "unsubscribe" or "pong")");
    }
    CHECK(bad("{}").id.empty());
}

TEST_CASE("v1: what is no JSON object") {
    for (const auto *message :
         {"hello", " ", "null", "5", "[]", R"("subscribe")", R"({"op":"pong"} x)", R"({"op":"pong"}{})",
          R"({"op":"pong",})", R"({"op":"pong")", R"({'op':'pong'})", R"({op:"pong"})", "{\"op\":\"po\nng\"}",
          "\xef\xbb\xbf{\"op\":\"pong\"}", R"({"id":"a","op":"pong","x":1x})"}) {
        const auto request = bad(message);
        CHECK(request.id.empty());
        CHECK(request.why == "a message is one JSON object, in UTF-8, and nothing else");
    }
    CHECK_FALSE(bad("{\"op\":\"pong\"}\0"s).why.empty());
}

TEST_CASE("v1: limits count bytes of the decoded text") {
    CHECK(good<v1_unsubscribe>(R"({"op":"unsubscribe","id":)" + json(repeat("\\u0061", 64)) + "}").id ==
          std::string(64, 'a'));
    CHECK(bad(R"({"op":"unsubscribe","id":)" + json(std::string(65, 'a')) + "}").id.empty());
    CHECK(good<v1_unsubscribe>(R"({"op":"unsubscribe","id":)" + json(repeat("ü", 32)) + "}").id.size() == 64);
    bad(R"({"op":"unsubscribe","id":)" + json(repeat("ü", 33)) + "}");
    bad(R"({"op":"unsubscribe","id":)" + json(repeat("\\u00fc", 33)) + "}");
    good<v1_subscribe>(with(R"("topic":)" + json(std::string(1024, 't'))));
    bad(with(R"("topic":)" + json(std::string(1025, 't'))));
    CHECK(good<v1_subscribe>(with(R"("select":["a")" + repeat(",\"a\"", 199) + "]")).select->size() == 200);
    bad(with(R"("select":["a")" + repeat(",\"a\"", 200) + "]"));
    good<v1_subscribe>(with(R"("select":[)" + json(std::string(63, 'c')) + "]"));
    bad(with(R"("select":[)" + json(std::string(64, 'c')) + "]"));
}

TEST_CASE("v1: an error never repeats what was sent") {
    for (const auto *message :
         {R"({"op":"auth","token":["v2/zzzzz-gj3su-000000000000000/s3cr3t"]})",
          R"({"op":"v2/zzzzz-gj3su-000000000000000/s3cr3t"})",
          R"({"op":"auth","token":"v2/zzzzz-gj3su-000000000000000/s3cr3t")",
          R"({"op":"subscribe","id":"a","topic":{"t":"s3cr3t"},"after":["s3cr3t"],"select":"s3cr3t"})"})
        CHECK(bad(message).why.find("s3cr3t") == std::string::npos);
}

TEST_CASE("v1: hostile messages take linear time and no stack") {
    constexpr std::size_t size = std::size_t{2} << 20;
    bad(repeat("[", size));
    bad(repeat("{\"a\":", size / 5));
    good<v1_subscribe>(with(R"("x":)" + repeat("[", 1'000'000) + repeat("]", 1'000'000)));
    CHECK_FALSE(event_filter::compile(
        good<v1_subscribe>(with(R"("filters":)" + repeat("[", 1'000'000) + repeat("]", 1'000'000))).filters));
    bad(with(R"("select":)" + repeat("[", 1'000'000) + repeat("]", 1'000'000)));
    bad(with(R"("select":["a")" + repeat(",\"a\"", size / 4) + "]"));
    good<v1_subscribe>("{" + repeat(R"("select":["a"],)", size / 15) +
                       R"("op":"subscribe","id":"a","topic":"events"})");
    good<v1_nothing>("{" + repeat(R"("\u006fp":"pong",)", size / 16) + R"("op":"pong"})");
    bad("{\"" + repeat("\\u0061", size / 6));
    good<v1_nothing>("{\"" + repeat("\\ud800", size / 6) + R"(":1,"op":"pong"})");
    bad(R"({"op":)" + json(std::string(size, 's')) + "}");
    bad(R"({"op":"unsubscribe","id":)" + json(repeat("\\u0061", size / 6)) + "}");
    CHECK(good<v1_auth>(R"({"op":"auth","token":)" + json(std::string(size, 's')) + "}").token.size() ==
          size);
}
