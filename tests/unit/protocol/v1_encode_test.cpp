#include "server/protocol/v1_encode.hpp"

#include "tests/unit/protocol/support.hpp"

#include <cstdint>
#include <doctest/doctest.h>
#include <limits>

using namespace walcast;
using namespace walcast::test;

namespace {

const std::string token(99, 'A');

} // namespace

TEST_CASE("v1: hello says the limits") {
    CHECK(v1_hello(30, {.subscriptions = 5000,
                        .frame_bytes = 2097152,
                        .sessions_per_user = 0,
                        .sessions_per_address = 7}) ==
          R"({"op":"hello","protocol":1,"server":"walcast/)" WALCAST_VERSION
          R"(","heartbeat_s":30,"limits":{"subscriptions":5000,"frame_bytes":2097152,)"
          R"("sessions_per_user":0,"sessions_per_address":7}})");
}

TEST_CASE("v1: auth says who and until when") {
    CHECK(v1_authenticated("zzzzz-tpzed-000000000000000", 1'767'323'045'678'900) ==
          R"({"op":"auth","user":"zzzzz-tpzed-000000000000000","expires_at":"2026-01-02T03:04:05.6789Z"})");
    const std::string_view never = R"({"op":"auth","user":"zzzzz-tpzed-000000000000000","expires_at":null})";
    CHECK(v1_authenticated("zzzzz-tpzed-000000000000000", std::nullopt) == never);
    // PostgreSQL's infinity, and years that RFC 3339 cannot write
    for (const auto beyond :
         {std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::int64_t>::min(),
          std::int64_t{253'402'300'800'000'000}})
        CHECK(v1_authenticated("zzzzz-tpzed-000000000000000", beyond) == never);
}

TEST_CASE("v1: each message as its reference shows it") {
    CHECK(v1_failure("a", v1_error::not_found, "there is none, or you may not read it") ==
          R"({"op":"error","id":"a","code":"not_found","message":"there is none, or you may not read it"})");
    CHECK(v1_failure("", v1_error::bad_request, R"("op" must be a string)") ==
          R"({"op":"error","code":"bad_request","message":"\"op\" must be a string"})");
    CHECK(v1_reset_message("a", v1_reset::lagging) == R"({"op":"reset","id":"a","reason":"lagging"})");
    CHECK(v1_silenced("a", "permission") == R"({"op":"silenced","id":"a","reason":"permission"})");
    CHECK(v1_restored("a") == R"({"op":"restored","id":"a"})");
    CHECK(v1_end("a", "unsubscribed") == R"({"op":"end","id":"a","reason":"unsubscribed"})");
    CHECK(v1_ping("") == R"({"op":"ping"})");
    CHECK(v1_ping(token) == R"({"op":"ping","token":")" + token + "\"}");
    CHECK(v1_live("a", token) == R"({"op":"live","id":"a","token":")" + token + "\"}");
    CHECK(v1_goodbye("restart", 4'294'967'295) ==
          R"({"op":"goodbye","reason":"restart","retry_after_ms":4294967295})");
}

TEST_CASE("v1: a head and a body are one message") {
    CHECK(v1_head("change", "a", token) == R"({"op":"change","id":"a","token":")" + token + "\",");
    CHECK(v1_head("snapshot", "a", token) + v1_snapshot_body(R"({"state":"Queued"})") ==
          R"({"op":"snapshot","id":"a","token":")" + token + R"(","record":{"state":"Queued"}})");
    CHECK(v1_snapshot_body("null") == R"("record":null})");
}

TEST_CASE("v1: whatever a client names its subscription, a message is JSON and names it so") {
    for (const std::string id :
         {"\"", "\\", "\n\t\x01\x7f", "Übung", "\xf0\x9f\x98\x80", "</script>", "a\\u0000"})
        for (const auto &message :
             {v1_failure(id, v1_error::unavailable, id), v1_reset_message(id, v1_reset::expired),
              v1_silenced(id, id), v1_restored(id), v1_end(id, id), v1_live(id, token),
              v1_head("snapshot", id, token) + v1_snapshot_body("null")}) {
            rapidjson::Document read;
            REQUIRE_MESSAGE(valid_json(message, read), message);
            CHECK(read["id"].GetString() == id);
        }
    const std::string zero("a\0b", 3);
    CHECK(v1_restored(zero) == R"({"op":"restored","id":"a\u0000b"})");
    CHECK(v1_restored("\xff") == "{\"op\":\"restored\",\"id\":\"\ufffd\"}");
}

TEST_CASE("v1: every code and reason has a name of its own") {
    std::vector<std::string_view> names;
    for (auto code = v1_error::bad_request; code <= v1_error::unavailable;
         code = static_cast<v1_error>(static_cast<int>(code) + 1))
        names.push_back(to_string(code));
    CHECK(names == std::vector<std::string_view>{"bad_request", "unauthorized", "not_found", "unknown_topic",
                                                 "too_many_subscriptions", "payload_too_large", "not_allowed",
                                                 "unavailable"});
    names.clear();
    for (auto reason = v1_reset::expired; reason <= v1_reset::lagging;
         reason = static_cast<v1_reset>(static_cast<int>(reason) + 1))
        names.push_back(to_string(reason));
    CHECK(names == std::vector<std::string_view>{"expired", "epoch", "timeline", "ahead", "schema", "filter",
                                                 "auth", "lagging"});
}
