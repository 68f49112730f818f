#include "server/watch/record_text.hpp"

#include "server/watch/incoming_frame.hpp"
#include "server/watch/watched_topic.hpp"

#include <doctest/doctest.h>
#include <string>
#include <string_view>

using namespace walcast;

namespace {

/// 2026-01-02 12:00:00 UTC.
constexpr std::int64_t noon = 1'767'355'200'000'000;
constexpr std::string_view topic = "record/u";

line_style style(line_color color = line_color::off) {
    return {color, watch_clock::utc, noon};
}

std::string state(std::string_view record, line_color color = line_color::off) {
    return state_text(topic, parse_object(record), style(color));
}

/// `members` are those of the change, without those that are always there.
std::string change(std::string_view members, std::string_view known = "",
                   line_color color = line_color::off) {
    const auto message =
        parse_object(R"({"op":"change","id":"record/u","token":"t","at":"2026-01-02T03:04:05.6Z",)" +
                     std::string(members) + '}');
    REQUIRE(message.IsObject());
    return change_text(topic, message, known.empty() ? rapidjson::Document() : parse_object(known),
                       style(color));
}

/// What is below the head of an update.
std::string update(std::string_view before, std::string_view after) {
    const auto text = change(R"("type":"update","record":{"c":)" + std::string(after) + "}",
                             R"({"c":)" + std::string(before) + "}");
    constexpr std::string_view head = "03:04:05 update   record/u\n";
    REQUIRE(text.starts_with(head));
    return text.substr(head.size());
}

} // namespace

TEST_CASE("a state is a line for each column, aligned") {
    CHECK(state(R"({"uuid":"u","name":null,"count":12,"on":true,"list":[1,2],"none":{}})") ==
          "12:00:00 state    record/u\n"
          "    uuid   \"u\"\n"
          "    name   null\n"
          "    count  12\n"
          "    on     true\n"
          "    list   [1,2]\n"
          "    none   {}\n");
    CHECK(state_text(topic, rapidjson::Document(), style()) == "12:00:00 state    record/u  there is none\n");
}

TEST_CASE("what is large in a state is taken apart, and no part of it is long") {
    const auto text = state(
        R"({"mounts":{"/tmp":{"kind":"tmp","capacity":100000000000},"/out":{"kind":"collection","uuid":null}}})");
    CHECK(text == "12:00:00 state    record/u\n"
                  "    mounts./tmp.kind      \"tmp\"\n"
                  "    mounts./tmp.capacity  100000000000\n"
                  "    mounts./out.kind      \"collection\"\n"
                  "    mounts./out.uuid      null\n");
    const auto cut = state(R"({"text":")" + std::string(1000, 'x') + R"("})");
    CHECK(cut.ends_with("xxx\"… (1000 bytes)\n"));
    CHECK(cut.size() < 300);
    std::string many = R"({"list":[0)";
    for (int at = 0; at < 10'000; ++at)
        many += ",12345678";
    const auto shown = state(many + "]}");
    CHECK(shown.size() < 4'000);
    CHECK(shown.ends_with("… and more\n"));
}

TEST_CASE("an update says what was and what is") {
    CHECK(
        change(
            R"("type":"update","record":{"uuid":"u","state":"Final","n":2},"old":{"state":"Committed","n":1},)"
            R"("changed":["state","n"])") == "03:04:05 update   record/u\n"
                                             "    state  \"Committed\" → \"Final\"\n"
                                             "    n      1 → 2\n");
    SUBCASE("what was seen last counts more than what the server knows") {
        CHECK(change(R"("type":"update","record":{"n":3},"old":{"n":2},"changed":["n"])", R"({"n":1})") ==
              "03:04:05 update   record/u\n    n  1 → 3\n");
        CHECK(change(R"("type":"update","record":{"n":3,"m":1})", R"({"n":1,"m":1})") ==
              "03:04:05 update   record/u\n    n  1 → 3\n");
    }
    SUBCASE("where neither is known the whole record is shown") {
        CHECK(change(R"("type":"update","record":{"n":3,"m":1},"unchanged":["large"])") ==
              "03:04:05 update   record/u\n"
              "    n      3\n"
              "    m      1\n"
              "    large  unchanged, and too large to be in the log\n");
    }
    SUBCASE("nothing that can be shown") {
        CHECK(change(R"("type":"update","record":{"n":3},"old":{},"changed":[])") ==
              "03:04:05 update   record/u  nothing in these columns is another\n");
    }
}

TEST_CASE("changes within a value") {
    CHECK(update(R"({"a":{"b":1},"d":"x","same":[1,2]})", R"({"a":{"b":2},"e":"y","same":[1,2]})") ==
          "    c.a.b  1 → 2\n"
          "  + c.e    \"y\"\n"
          "  - c.d    \"x\"\n");
    CHECK(update("[1,2,3]", "[1,3]") == "  - c[1]  2\n");
    const std::string around(100, 'x');
    CHECK(update('"' + around + "old" + around + '"', '"' + around + "new one" + around + '"') ==
          "    c  \"…" + std::string(24, 'x') + "[-old-]{+new one+}" + std::string(24, 'x') +
              "…\" (203 → 207 bytes)\n");
    CHECK(update(R"("one\ntwo\nthree\n")", R"("one\n2\nthree\n")") == "    c  14 → 12 bytes:\n"
                                                                      "      @ line 2\n"
                                                                      "      - two\n"
                                                                      "      + 2\n");
    CHECK(update(R"("one\n")", R"("one")") == "    c  \"one\\n\" → \"one\"\n");
    std::string many = "\"", others = "\"";
    for (int at = 0; at < 1'000; ++at) {
        many += "a\\n";
        others += "b\\n";
    }
    const auto cut = update(many + '"', others + '"');
    CHECK(cut.size() < 1'000);
    CHECK(cut.ends_with("… and more lines\n"));
}

TEST_CASE("inserts, deletes, and what else happens") {
    CHECK(change(R"("type":"insert","record":{"n":1})") == "03:04:05 insert   record/u\n    n  1\n");
    CHECK(change(R"("type":"delete","record":null)", R"({"n":1})") == "03:04:05 delete   record/u\n");
    CHECK(incident_text(topic, "reset", "lagging", style()) ==
          "12:00:00 reset    record/u  lagging: this was too slow for too long\n");
    CHECK(incident_text(topic, "silenced", "permission", style()) ==
          "12:00:00 silenced record/u  permission: it may not be read any more\n");
    CHECK(incident_text(topic, "silenced", "something\nnew", style()) ==
          "12:00:00 silenced record/u  something\\nnew\n");
    CHECK(incident_text(topic, "restored", "", style()) ==
          "12:00:00 restored record/u  it may be read again\n");
    CHECK(grants_text("grants/u",
                      parse_object(R"({"at":"2026-01-02T03:04:05Z","record":{"gained":1,"lost":2000,)"
                                   R"("gained_uuids":["a"],"lost_uuids":["b","c"]}})"),
                      style()) == "03:04:05 update   grants/u\n"
                                  "    gained  1\n"
                                  "  + a\n"
                                  "    lost    2000\n"
                                  "  - b\n"
                                  "  - c\n");
}

TEST_CASE("colour is where something has changed, and nowhere when it is off") {
    const auto text = change(R"("type":"update","record":{"n":2,"m":1})", R"({"n":1})", line_color::on);
    CHECK(text.find("\033[33mupdate\033[0m") != std::string::npos);
    CHECK(text.find("\033[31m1\033[0m → \033[32m2\033[0m") != std::string::npos);
    CHECK(state(R"({"n":1})", line_color::off).find('\033') == std::string::npos);
}

TEST_CASE("nothing in a message controls the terminal") {
    const std::string evil = R"(\u001b[2J\u009b31m\r\u202e\u2028\u007f)";
    const auto value = [&](std::string_view more) {
        return "{\"" + evil + "\":\"" + evil + std::string(more) + "\"}";
    };
    std::string all = state(value("")) + state(R"({"x":)" + value(std::string(100, 'y')) + "}");
    all += change(R"("type":"update","record":{"a":)" + value("1") + R"(,"b":")" + evil +
                      R"(\n1"},"unchanged":[")" + evil + "\"]",
                  R"({"a":)" + value("2") + R"(,"b":")" + evil + R"(\n2"})");
    all += change(R"("type":"update","record":{"b":")" + evil + std::string(100, 'x') + R"("})",
                  R"({"b":")" + evil + "\"}");
    all += change(R"("type":")" + evil + R"(","record":{"b":")" + evil + "\"}");
    all += incident_text("record/\033[2J", "reset", "\033[2J", style());
    for (const unsigned char byte : all)
        CHECK_MESSAGE(((byte >= 0x20 && byte != 0x7f) || byte == '\n'), all);
    for (const std::string_view acting : {"\u009b", "\u202e", "\u2028"})
        CHECK_MESSAGE(all.find(acting) == std::string::npos, all);
}

TEST_CASE("what is known of a topic") {
    watched_topic watched("record/u", R"(,"select":["n"])", "");
    CHECK(watched.subscribe() == R"({"op":"subscribe","id":"record/u","topic":"record/u","select":["n"]})");
    watched.reached("T1");
    watched.reached("");
    CHECK(watched.subscribe() ==
          R"({"op":"subscribe","id":"record/u","topic":"record/u","select":["n"],"after":"T1"})");
    watched.begin_anew();
    CHECK(watched.subscribe() == R"({"op":"subscribe","id":"record/u","topic":"record/u","select":["n"]})");

    watched.keep(parse_object(R"({"n":1,"large":"x"})"), nullptr);
    const auto message = parse_object(R"({"unchanged":["large","unheard of"]})");
    watched.keep(parse_object(R"({"n":2})"), &message["unchanged"]);
    CHECK(watched.record()["n"].GetInt() == 2);
    CHECK(text_member(watched.record(), "large") == "x");
    CHECK(watched.record().MemberCount() == 2);
    watched.keep(rapidjson::Document(), nullptr);
    CHECK(watched.record().IsNull());
}
