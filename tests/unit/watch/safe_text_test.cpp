#include "server/watch/safe_text.hpp"

#include "tests/unit/protocol/support.hpp"

#include <doctest/doctest.h>

using namespace walcast;

TEST_CASE("ordinary text stays as it is") {
    for (const auto *text : {"", "plain", "\u00e9\u4e2d\U0001f600", "a\\b \"c\""})
        CHECK(safe_text(text) == text);
    CHECK(quoted_text("a\\b \"c\"") == R"("a\\b \"c\"")");
}

TEST_CASE("what a terminal would obey becomes readable") {
    CHECK(safe_text("a\x1b[0m\n\t\r\b\x7f") == "a\\u001b[0m\\n\\t\\r\\u0008\\u007f");
    CHECK(safe_text(std::string_view("\0", 1)) == "\\u0000");
    CHECK(safe_text("\u0085\u009b\u200e\u202e\u2066\ufeff") == "\\u0085\\u009b\\u200e\\u202e\\u2066\\ufeff");
    CHECK(safe_text("\U000e0041") == "\\U000e0041");
    CHECK(safe_text("a\x9b\xc0\xaf\xff") == "a\ufffd\ufffd\ufffd\ufffd");
}

TEST_CASE("JSON stays equal, on one line") {
    for (const std::string_view json : {R"({"a":"b\u001b","c":[1,null]})", "{\n\t\"a\" :\r\n 1}",
                                        "{\"a\":\"\x7f\u009b\u202e\U000e0041\u2028\"}"}) {
        const auto safe = safe_json_line(json);
        CHECK(test::json_equal(safe, json));
        CHECK(safe == safe_text(safe));
    }
    CHECK(safe_json_line(R"({"a":"b\u001b"})") == R"({"a":"b\u001b"})");
}

TEST_CASE("cutting keeps characters whole") {
    CHECK(shortened("abc", 3) == "abc");
    CHECK(shortened("abc", 2) == "ab");
    CHECK(shortened("a\u4e2d", 3) == "a");
    CHECK(shortened("a\u4e2d", 4) == "a\u4e2d");
    CHECK(shortened("\u4e2d", 0).empty());
}
