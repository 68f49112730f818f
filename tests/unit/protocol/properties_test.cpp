#include "server/protocol/properties.hpp"

#include "tests/unit/protocol/support.hpp"

#include <doctest/doctest.h>
#include <random>

using namespace walcast;
using namespace walcast::test;
using namespace std::string_literals;

namespace {

std::string reduced(std::string_view text, std::size_t max_bytes = 1 << 20) {
    std::string into = "before";
    const auto outcome = reduce_properties(text, max_bytes, into);
    if (outcome == properties_outcome::unreadable) {
        CHECK(into == "before");
        return "unreadable";
    }
    CHECK(into.size() - 6 <= max_bytes);
    CHECK((into.find(R"("truncated":true)") != into.npos) == (outcome == properties_outcome::truncated));
    return into.substr(6);
}

} // namespace

TEST_CASE("properties: only the six attributes are sent") {
    CHECK(
        reduced(R"({"old_etag":"x","old_attributes":{"state":"Queued","name":"a","secret":1},
                      "new_attributes":{"name":"b","owner_uuid":null,"is_trashed":true,"manifest_text":"..."}})") ==
        R"({"new_attributes":{"is_trashed":true,"name":"b","owner_uuid":null},"old_attributes":{"name":"a","state":"Queued"}})");
    CHECK(reduced(R"({"new_attributes":{"name":{"deep":[1,{"name":2}]},"x":{"name":3}}})") ==
          R"({"new_attributes":{"name":{"deep":[1,{"name":2}]}}})");
    CHECK(reduced(R"({"old_attributes":null,"new_attributes":{}})") == R"({"new_attributes":{}})");
    CHECK(reduced(R"({"old_attributes":5,"new_attributes":["name"]})") == "{}");
    CHECK(reduced(R"({"a":{"old_attributes":{"name":"x"},"text":"y"}})") == "{}");
}

TEST_CASE("properties: text present passes the whole on, whatever it is") {
    for (const auto *whole : {R"({"text":"a","x":[1]})", R"({"x":1,"text":null})", R"({"text":false})",
                              R"({"te\u0078t":""})", R"({"old_attributes":{"secret":1},"text":{}})"})
        CHECK(reduced(whole) == whole);
    CHECK(reduced("  {\"text\":1}\n") == R"({"text":1})");
}

TEST_CASE("properties: escaped keys, and of equal keys the last") {
    CHECK(reduced(R"({"new_\u0061ttributes":{"\u006eame":"b"}})") == R"({"new_attributes":{"name":"b"}})");
    CHECK(reduced(R"({"new_attributes":{"name":"a","name":"b"}})") == R"({"new_attributes":{"name":"b"}})");
    CHECK(reduced(R"({"new_attributes":{"name":"a"},"new_attributes":{"state":"b"}})") ==
          R"({"new_attributes":{"state":"b"}})");
    CHECK(reduced(R"({"new_attributes":{"name":"a"},"new_attributes":null})") == "{}");
}

TEST_CASE("properties: nothing, and what is no object") {
    for (const auto *empty : {"", "{}", "null", " null ", "--- {}\n", "---\n", "--- ~\n", " \n"})
        CHECK_MESSAGE(reduced(empty) == "{}", empty);
    for (const auto *bad :
         {"[]", "5", "true", "\"x\"", "{\"a\":", "{\"a\":1}}", "--- x\n", "---\n- a\n", "\"[]\"", "a: ["})
        CHECK_MESSAGE(reduced(bad) == "unreadable", bad);
    CHECK(reduced("{\"text\":1}\0"s) == "unreadable");
}

TEST_CASE("properties: YAML, with and without its mark, and JSON within a string") {
    CHECK(reduced("---\nold_attributes:\n  name: a\n  x: 1\nnew_attributes: ~\n") ==
          R"({"old_attributes":{"name":"a"}})");
    CHECK(reduced("text: yes\n") == R"({"text":true})");
    CHECK(reduced("{text: 'it''s'}") == R"({"text":"it's"})");
    CHECK(reduced("---\n:text: a\n") == "{}");
    CHECK(reduced(R"("{\"text\":\"a\\n\"}")") == R"({"text":"a\n"})");
    CHECK(reduced("--- '{\"new_attributes\":{\"name\":\"b\"}}'\n") == R"({"new_attributes":{"name":"b"}})");
    CHECK(reduced(R"("\"{}\"")") == "unreadable");
}

TEST_CASE("properties: a row is not lost for a bad byte, half a surrogate pair or a large number") {
    CHECK(reduced("{\"new_attributes\":{\"name\":\"a\xff\"},\"\xfe\":1}") ==
          "{\"new_attributes\":{\"name\":\"a\ufffd\"}}");
    CHECK(reduced(R"({"text":"\ud800","n":1e999})") == "{\"text\":\"\ufffd\",\"n\":\"1e999\"}");
    CHECK(reduced("---\ntext: \"\xff\"\n") != "unreadable");
}

TEST_CASE("properties: a text that is too large is cut between characters") {
    const auto long_text =
        R"({"more":1,"text":")" + repeat("\u00e9\\n\\ud83d\\ude00\U0001f600", 1000) + R"(","z":[2]})";
    rapidjson::Document whole, cut;
    REQUIRE(valid_json(long_text, whole));
    for (std::size_t max = 1024; max < 1060; ++max) {
        const auto sent = reduced(long_text, max);
        CHECK(sent.size() > max - 20);
        REQUIRE_MESSAGE(valid_json(sent, cut), sent);
        CHECK(cut["truncated"].GetBool());
        CHECK(cut["more"].GetInt() == 1);
        CHECK(cut["z"][0].GetInt() == 2);
        const std::string_view text{cut["text"].GetString(), cut["text"].GetStringLength()};
        CHECK(std::string_view(whole["text"].GetString()).starts_with(text));
    }
}

TEST_CASE("properties: what is large beside the text goes first") {
    const auto sent = reduced(R"({"junk":")" + std::string(5000, 'j') + R"(","text":"hello"})", 1024);
    CHECK(sent == R"({"text":"hello","truncated":true})");
    CHECK(reduced(R"({"text":[)" + repeat("1,", 1000) + "1]}", 1024) == R"({"text":null,"truncated":true})");
    const auto twice = reduced(R"({"text":")" + std::string(5000, 'a') + R"(","text":"b"})", 1024);
    CHECK(twice == R"({"text":"b","truncated":true})");
}

TEST_CASE("properties: attributes that are too large are cut") {
    const auto sent =
        reduced(R"({"old_attributes":{"name":")" + std::string(5000, 'a') +
                    R"("},"new_attributes":{"name":[)" + repeat("1,", 5000) + R"(1],"state":"Complete"}})",
                2048);
    rapidjson::Document read;
    REQUIRE(valid_json(sent, read));
    CHECK(read["new_attributes"]["name"].IsNull());
    CHECK(read["new_attributes"]["state"] == "Complete");
    CHECK(read["old_attributes"]["name"].GetStringLength() > 100);
}

TEST_CASE("properties: fifty megabytes of manifest, and a million brackets") {
    const auto manifest = repeat(". 930625b054ce894ac40596c3f5a0d947+33 0:0:a 0:33:output.txt\\n", 400'000);
    CHECK(reduced(R"({"old_attributes":{"manifest_text":")" + manifest +
                  R"(","name":"a"},"new_attributes":{"name":"b","manifest_text":")" + manifest + "\"}}") ==
          R"({"new_attributes":{"name":"b"},"old_attributes":{"name":"a"}})");
    CHECK(reduced(R"({"deep":)" + repeat("[", 1'000'000) + repeat("]", 1'000'000) +
                  R"(,"new_attributes":{"name":"b"}})") == R"({"new_attributes":{"name":"b"}})");
    CHECK(reduced(repeat("[", 1'000'000)) == "unreadable");
    CHECK(reduced(repeat("{\"text\":", 1'000'000)) == "unreadable");
    CHECK(reduced("---\ntext: " + std::string(50'000'000, 'a')) == "unreadable");
}

TEST_CASE("properties: whatever the bytes, what is sent is valid and fits") {
    const std::string_view seeds[] = {
        R"({"text":"a\ud83d\ude00\n","n":[1,2.5e3,null,true],"x":{"y":"z"}})",
        R"({"old_attributes":{"name":"a","state":null},"new_attributes":{"name":"\u00e9","is_trashed":false}})",
        "---\nold_attributes:\n  name: a\n  at: 2020-01-02 03:04:05.000 Z\nnew_attributes:\n  name: &b [v, "
        "1, ~, {a: b}]\n  state: *b\n",
        "text: |\n  abc\n  def\nx: {a: 'b', \"c\\u0041\": !foo 1}\n", "\"{\\\"text\\\":\\\"x\\\"}\""};
    const std::string bytes = "!&*[]{},:?-|>%@`'\"# \n\t\\~=<.0aZu\xff\xc3\x85\xe2\0"s;
    std::mt19937 random(20'260'103);
    std::size_t sent = 0;
    for (int round = 0; round < 10'000; ++round) {
        std::string text(seeds[random() % std::size(seeds)]);
        for (auto changes = random() % 5; changes-- > 0;) {
            const auto at = random() % text.size();
            if (const auto how = random() % 4; how == 0)
                text[at] = bytes[random() % bytes.size()];
            else if (how == 1)
                text.insert(at, 1, bytes[random() % bytes.size()]);
            else if (how == 2 && text.size() > 1)
                text.erase(at, 1);
            else
                text.insert(at, std::string(700, 'x'));
        }
        std::string into;
        if (reduce_properties(text, 1024, into) == properties_outcome::unreadable)
            continue;
        ++sent;
        REQUIRE_MESSAGE(valid_json(into), text);
        REQUIRE(into.size() <= 1024);
    }
    CHECK(sent > 1'000);
}

TEST_CASE("values that nest too deep for clients are left out, and the event says so") {
    const auto deep = repeat("[", 1'000) + repeat("]", 1'000);
    CHECK(reduced(R"({"new_attributes":{"name":)" + deep + R"(,"state":"Queued"}})") ==
          R"({"new_attributes":{"name":null,"state":"Queued"},"truncated":true})");
    CHECK(reduced(R"({"text":"x","a":)" + deep + "}") == R"({"text":"x","truncated":true})");
    CHECK(reduced(R"({"text":)" + deep + "}") == R"({"text":null,"truncated":true})");
    const auto deep_but_good = repeat("[", 150) + repeat("]", 150);
    CHECK(reduced(R"({"new_attributes":{"name":)" + deep_but_good + "}}") ==
          R"({"new_attributes":{"name":)" + deep_but_good + "}}");
}
