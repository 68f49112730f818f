#include "server/watch/incoming_frame.hpp"

#include <doctest/doctest.h>
#include <string>

using namespace walcast;

TEST_CASE("what a server sends") {
    CHECK(parse_frame("{}").kind == frame_kind::idle);
    CHECK(parse_frame(" { } ").kind == frame_kind::idle);
    CHECK(parse_frame(R"({"status":200})").kind == frame_kind::accepted);
    const auto refused = parse_frame(R"({"status":400,"message":"no"})");
    CHECK(refused.kind == frame_kind::refused);
    CHECK(refused.status == 400);
    CHECK(text_member(refused.content, "message") == "no");
    const auto event = parse_frame(R"({"msgID":1,"id":9223372036854775807})");
    CHECK(event.kind == frame_kind::event);
    CHECK(event.id == 9223372036854775807);
}

TEST_CASE("an event without a usable id is shown, and never resumed from") {
    const auto event = parse_frame(R"({"id":"41","event_type":"x"})");
    CHECK(event.kind == frame_kind::event);
    CHECK_FALSE(event.id);
    CHECK_FALSE(parse_frame(R"({"id":1e30})").id);
}

TEST_CASE("what is no message of the protocol") {
    for (const auto *text :
         {"", "x", "null", "[]", "{", R"({"id":1}{})", R"({"other":1})", R"({"status":"200"})"})
        CHECK_MESSAGE(parse_frame(text).kind == frame_kind::unknown, text);
    const std::string nested = R"({"id":)" + std::string(1'000'000, '[') + std::string(1'000'000, ']') + '}';
    CHECK(parse_frame(nested).kind == frame_kind::unknown);
}
