#include "server/watch/event_line.hpp"

#include "server/watch/incoming_frame.hpp"

#include <doctest/doctest.h>
#include <string>
#include <string_view>

using namespace walcast;

namespace {

/// 2026-01-02 12:00:00 UTC.
constexpr std::int64_t noon = 1'767'355'200'000'000;

std::string line_of(std::string_view frame, line_color color = line_color::off) {
    const auto parsed = parse_frame(frame);
    REQUIRE(parsed.kind == frame_kind::event);
    return event_line(parsed.content, {color, watch_clock::utc, noon});
}

/// An event whose columns before the properties are always the same.
std::string line_with(std::string_view properties, std::string_view type = "update") {
    const auto line = line_of(
        R"({"msgID":1,"id":7,"event_at":"2026-01-02T03:04:05.678901Z","event_type":")" + std::string(type) +
        R"(","object_kind":"arvados#container","object_uuid":"zzzzz-dz642-000000000000001",)"
        R"("object_owner_uuid":"","properties":)" +
        std::string(properties) + '}');
    const auto object = line.find("zzzzz-dz642-000000000000001");
    REQUIRE(object != std::string::npos);
    const auto changes = line.find_first_not_of(' ', object + 27);
    return changes == std::string::npos ? std::string() : line.substr(changes);
}

} // namespace

TEST_CASE("the line of an ordinary update") {
    CHECK(
        line_of(R"({"msgID":1,"event_at":"2026-01-02T03:04:05.678901Z","event_type":"update","id":4711,)"
                R"("object_kind":"arvados#collection","object_owner_uuid":"zzzzz-j7d0g-v955i6s2oi1cbso",)"
                R"("object_uuid":"zzzzz-4zz18-bv31uwvy3neko21","properties":{"new_attributes":{"name":"b"},)"
                R"("old_attributes":{"name":"a"}},"uuid":"zzzzz-57u5n-000000000000001"})") ==
        "03:04:05 update   collection        zzzzz-4zz18-bv31uwvy3neko21  name \"a\" → \"b\"  "
        "owner zzzzz-j7d0g-v955i6s2oi1cbso");
}

TEST_CASE("what changed") {
    SUBCASE("a container's state") {
        CHECK(line_with(R"({"old_attributes":{"state":"Queued","name":null},)"
                        R"("new_attributes":{"state":"Running","name":null}})") == "state Queued → Running");
    }
    SUBCASE("what stays the same is not a change, but the name says which one it is") {
        CHECK(line_with(R"({"old_attributes":{"state":"Running","name":"n","is_trashed":false},)"
                        R"("new_attributes":{"state":"Running","name":"n","is_trashed":false}})") ==
              "state Running  name \"n\"");
    }
    SUBCASE("a name that was not there before") {
        CHECK(line_with(R"({"old_attributes":{"name":null},"new_attributes":{"name":"n"}})") ==
              "name none → \"n\"");
        CHECK(line_with(R"({"old_attributes":{},"new_attributes":{"name":"n"}})") == "name none → \"n\"");
    }
    SUBCASE("content is named by the beginning of its hash and its size") {
        CHECK(
            line_with(R"({"old_attributes":{"portable_data_hash":"d41d8cd98f00b204e9800998ecf8427e+0"},)"
                      R"("new_attributes":{"portable_data_hash":"1f4b0bc7583c2a7f9102c395f4ffc5e3+51"}})") ==
            "content d41d8cd9…+0 → 1f4b0bc7…+51");
    }
    SUBCASE("trash") {
        CHECK(line_with(R"({"old_attributes":{"is_trashed":false},"new_attributes":{"is_trashed":true}})") ==
              "trashed");
        CHECK(line_with(R"({"old_attributes":{"is_trashed":true},"new_attributes":{"is_trashed":false}})") ==
              "untrashed");
    }
    SUBCASE("a new owner") {
        CHECK(line_with(R"({"old_attributes":{"owner_uuid":"zzzzz-tpzed-000000000000001"},)"
                        R"("new_attributes":{"owner_uuid":"zzzzz-j7d0g-000000000000002"}})") ==
              "owner zzzzz-tpzed-000000000000001 → zzzzz-j7d0g-000000000000002");
    }
    SUBCASE("an attribute that servers do not send today") {
        CHECK(
            line_with(
                R"({"old_attributes":{"priority":1,"tags":[]},"new_attributes":{"priority":2,"tags":[1]}})") ==
            "priority 1 → 2  tags […] → […]");
    }
    SUBCASE("an object that begins or ends has no before or after") {
        CHECK(
            line_with(R"({"new_attributes":{"state":"Queued","requesting_container_uuid":"zzzzz-dz642-2"}})",
                      "create") == "state Queued  requested by zzzzz-dz642-2");
        CHECK(line_with(R"({"old_attributes":{"name":"n"},"new_attributes":null})", "delete") ==
              "name \"n\"");
    }
}

TEST_CASE("the text of an event is on the line, line breaks and all") {
    CHECK(line_with(R"({"text":"one\ntwo\r\n"})", "stderr") == "one\\ntwo");
    CHECK(line_with(R"({"text":"","other":1})", "stderr").empty());
    const auto cut = line_with("{\"text\":\"" + std::string(100'000, 'x') + "\"}", "dispatch");
    CHECK(cut.size() < 5'000);
    CHECK(cut.ends_with("x…"));
}

TEST_CASE("kinds have short names") {
    CHECK(
        line_of(
            R"({"id":1,"object_kind":"arvados#containerRequest","object_uuid":"zzzzz-xvhdp-000000000000001"})")
            .find(" container_request zzzzz-xvhdp-000000000000001") != std::string::npos);
}

TEST_CASE("an event of another day shows its date") {
    CHECK(line_of(R"({"id":1,"event_type":"update","event_at":"2026-01-01T23:59:59.9Z"})")
              .starts_with("2026-01-01 23:59:59 update"));
    CHECK(line_of(R"({"id":1,"event_at":"2025-01-02T12:00:00Z"})").starts_with("2025-01-02 12:00:00 "));
}

TEST_CASE("what is missing or of another type is left out") {
    CHECK(line_of(R"({"id":1})") == "--:--:-- -        -");
    CHECK(line_of(R"({"id":"x","event_type":5,"object_uuid":[],"properties":[],"event_at":{}})") ==
          "--:--:-- -        -");
    CHECK(line_with(R"({"old_attributes":[],"new_attributes":"x","text":7})").empty());
    CHECK(line_with(R"({"old_attributes":{"name":{"a":1},"portable_data_hash":5},)"
                    R"("new_attributes":{"name":[1],"portable_data_hash":"+"}})") ==
          "name {…} → […]  content 5 → +");
}

TEST_CASE("colour is on what it says, and nowhere when it is off") {
    constexpr std::string_view frame =
        R"({"id":1,"event_type":"create","object_uuid":"u","object_owner_uuid":"o"})";
    const auto colored = line_of(frame, line_color::on);
    CHECK(colored.find("\033[32mcreate\033[0m  ") != std::string::npos);
    CHECK(colored.find("\033[2mowner o\033[0m") != std::string::npos);
    CHECK(line_of(frame).find('\033') == std::string::npos);
}

TEST_CASE("nothing in an event controls the terminal") {
    // In every place that an event's author can fill: ESC, C1's CSI (U+009B), a line break, and right-to-left
    // override.
    const std::string evil = R"(\u001b[2J\u009b31m\n\r\u202e\u2028\u007f)";
    const auto line = line_of(
        R"({"id":1,"event_at":")" + evil + R"(","event_type":")" + evil + R"(","object_kind":")" + evil +
        R"(","object_uuid":")" + evil + R"(","object_owner_uuid":")" + evil + R"(","properties":{"text":")" +
        evil + R"(","old_attributes":{"state":")" + evil + R"(","name":")" + evil + R"(",")" + evil +
        R"(":1},"new_attributes":{"state":"x","name":"y","portable_data_hash":")" + std::string(30, 'a') +
        R"(\u001b\u001b+\u001b","owner_uuid":")" + evil + R"(","requesting_container_uuid":")" + evil +
        R"(",")" + evil + R"(":2}}})");
    for (const unsigned char byte : line)
        CHECK_MESSAGE((byte >= 0x20 && byte != 0x7f), line);
    for (const std::string_view acting : {"\u009b", "\u202e", "\u2028"})
        CHECK_MESSAGE(line.find(acting) == std::string::npos, line);
    CHECK(line.find("\\u001b[2J\\u009b31m\\n\\r\\u202e\\u2028\\u007f") != std::string::npos);
}

TEST_CASE("a huge event is a short line soon") {
    std::string attributes;
    for (int at = 0; at < 200'000; ++at)
        attributes += (at ? ",\"k" : "\"k") + std::to_string(at) + "\":" + std::to_string(at);
    const auto line = line_with(R"({"old_attributes":{},"new_attributes":{)" + attributes + "}}");
    CHECK(line.size() < 4'000);
    CHECK(line.ends_with("…"));
}
