#include "tests/unit/protocol/v1_schema.hpp"

#include "server/protocol/resume_token.hpp"
#include "server/protocol/v1_encode.hpp"
#include "server/protocol/v1_request.hpp"
#include "tests/unit/protocol/support.hpp"

#include <doctest/doctest.h>
#include <vector>

using namespace walcast;
using namespace walcast::test;

namespace {

const std::string token = token_seal({{1, "secret"}}).seal({.at = {lsn{5}, 1}});

std::string change_with(std::string_view rest) {
    return v1_head("change", "a", token) + std::string(rest) + "}";
}

} // namespace

TEST_CASE("v1: what we write is in the schema") {
    std::vector<std::string> messages{
        v1_hello(30, {.subscriptions = 1000, .frame_bytes = 2097152, .sessions_per_user = 0}),
        v1_authenticated("zzzzz-tpzed-000000000000000", 1'767'323'045'678'900),
        v1_authenticated("zzzzz-tpzed-000000000000000", 1'767'323'045'000'000),
        v1_authenticated("zzzzz-tpzed-000000000000000", std::nullopt),
        v1_silenced("a", "permission"),
        v1_silenced("a", "token"),
        v1_restored("a"),
        v1_end("a", "unsubscribed"),
        v1_ping(""),
        v1_ping(token),
        v1_live("a", token),
        v1_goodbye("restart", 1500),
        v1_head("snapshot", "a", token) + v1_snapshot_body(R"({"state":"Queued"})"),
        v1_head("snapshot", "a", token) + v1_snapshot_body("null"),
        change_with(R"("type":"insert","record":{"uuid":"x"},"at":"2026-01-02T03:04:05Z")"),
        change_with(
            R"("type":"update","record":{"state":"Locked"},"old":{"state":"Queued"},"changed":["state"],)"
            R"("unchanged":["mounts"],"at":"2026-01-02T03:04:05.678901Z")"),
        change_with(R"("type":"delete","record":null,"at":"2026-01-02T03:04:05Z")"),
    };
    for (auto code = v1_error::bad_request; code <= v1_error::unavailable;
         code = static_cast<v1_error>(static_cast<int>(code) + 1)) {
        messages.push_back(v1_failure("a", code, "what is wrong"));
        messages.push_back(v1_failure("", code, "what is wrong"));
    }
    for (auto reason = v1_reset::expired; reason <= v1_reset::lagging;
         reason = static_cast<v1_reset>(static_cast<int>(reason) + 1))
        messages.push_back(v1_reset_message("a", reason));
    const v1_schema from_server("from_server"), from_client("from_client");
    for (const auto &message : messages) {
        CHECK_MESSAGE(from_server.allows(message), message);
        CHECK_MESSAGE(!from_client.allows(message), message);
    }
}

TEST_CASE("v1: what is no message of ours is not in the schema") {
    const v1_schema from_server("from_server");
    for (const auto &message :
         {std::string("{}"), std::string("[]"), std::string(R"({"op":"publish"})"), v1_live("", token),
          v1_live("a", "not a token"), v1_live(std::string(65, 'a'), token), v1_silenced("a", "mood"),
          v1_failure("a", v1_error::not_found, ""), v1_head("change", "a", token) + R"("record":{}})",
          change_with(R"("type":"update","record":null,"at":"2026-01-02T03:04:05Z")"),
          change_with(R"("type":"delete","record":{},"at":"2026-01-02T03:04:05Z")"),
          change_with(R"("type":"truncate","record":null,"at":"2026-01-02T03:04:05Z")"),
          change_with(R"("type":"delete","at":"2026-01-02T03:04:05Z")"),
          change_with(R"("type":"delete","record":null,"at":"2026-01-02 03:04:05")"),
          change_with(R"("type":"delete","record":null,"at":"2026-01-02T03:04:05.10Z")"),
          change_with(R"("type":"update","record":{},"changed":"state","at":"2026-01-02T03:04:05Z")")})
        CHECK_MESSAGE(!from_server.allows(message), message);
}

TEST_CASE("v1: the schema and the reader agree about what clients may say") {
    const v1_schema from_client("from_client");
    const auto agree = [&from_client](std::string_view message, bool good) {
        CHECK_MESSAGE(from_client.allows(message) == good, message);
        CHECK_MESSAGE(std::holds_alternative<v1_bad_request>(parse_v1_request(message)) != good, message);
    };
    for (const auto *message :
         {R"({"op":"auth","token":"v2/zzzzz-gj3su-000000000000000/secret"})", R"({"op":"pong"})",
          R"({"op":"subscribe","id":"a","topic":"events","x":{}})",
          R"({"op":"subscribe","id":"a","topic":"events","snapshot":false,"after":"x","select":["state"],)"
          R"("filters":[["event_type","=","update"]],"latest":true})",
          R"({"op":"subscribe","id":"a","topic":"events","snapshot":null,"after":null,"select":null,)"
          R"("filters":null,"latest":null})",
          R"({"op":"unsubscribe","id":"a","topic":5})"})
        agree(message, true);
    for (const auto *message :
         {"{}", "[]", "null", R"({"op":"hello"})", R"({"op":"auth"})", R"({"op":"auth","token":5})",
          R"({"op":"subscribe","id":"a"})", R"({"op":"subscribe","topic":"events"})",
          R"({"op":"subscribe","id":"","topic":"events"})", R"({"op":"subscribe","id":"a","topic":""})",
          R"({"op":"subscribe","id":"a","topic":"events","snapshot":1})",
          R"({"op":"subscribe","id":"a","topic":"events","after":1})",
          R"({"op":"subscribe","id":"a","topic":"events","select":[]})",
          R"({"op":"subscribe","id":"a","topic":"events","select":[1]})",
          R"({"op":"subscribe","id":"a","topic":"events","select":"state"})",
          R"({"op":"subscribe","id":"a","topic":"events","filters":{}})",
          R"({"op":"subscribe","id":"a","topic":"events","latest":"yes"})", R"({"op":"unsubscribe"})"})
        agree(message, false);
    const auto select = [](std::size_t names) {
        return R"({"op":"subscribe","id":"a","topic":"events","select":["a")" + repeat(R"(,"a")", names - 1) +
               "]}";
    };
    agree(select(v1_subscribe::max_columns), true);
    agree(select(v1_subscribe::max_columns + 1), false);
    const auto topic = [](std::size_t bytes) {
        return R"({"op":"subscribe","id":"a","topic":")" + std::string(bytes, 't') + "\"}";
    };
    agree(topic(v1_subscribe::max_topic_bytes), true);
    agree(topic(v1_subscribe::max_topic_bytes + 1), false);
    const auto id = [](std::size_t bytes) {
        return R"({"op":"unsubscribe","id":")" + std::string(bytes, 'i') + "\"}";
    };
    agree(id(v1_subscribe::max_id_bytes), true);
    agree(id(v1_subscribe::max_id_bytes + 1), false);
}
