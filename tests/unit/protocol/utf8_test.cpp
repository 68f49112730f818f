#include "server/protocol/utf8.hpp"

#include "tests/unit/protocol/support.hpp"

#include <doctest/doctest.h>

using namespace walcast;
using namespace std::string_literals;

namespace {
std::string written(std::string_view text) {
    std::string into;
    append_json_string(into, text);
    return into;
}
} // namespace

TEST_CASE("characters of UTF-8 and what only looks like them") {
    CHECK(utf8_length("a") == 1);
    CHECK(utf8_length("\0"s) == 1);
    CHECK(utf8_length("\u00e9x") == 2);
    CHECK(utf8_length("\u20ac") == 3);
    CHECK(utf8_length("\U0001f600") == 4);
    CHECK(utf8_length("\xf4\x8f\xbf\xbf") == 4);
    for (const auto *bad :
         {"\x80", "\xc0\x80", "\xc1\xbf", "\xc3", "\xc3x", "\xe0\x9f\xbf", "\xe2\x82", "\xed\xa0\x80",
          "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff"})
        CHECK_MESSAGE(utf8_length(bad) == 0, written(bad));
}

TEST_CASE("a JSON string is valid whatever the bytes were") {
    CHECK(written("") == R"("")");
    CHECK(written("a \"b\"\\\n\x01\u00e9") == "\"a \\\"b\\\"\\\\\\n\\u0001\u00e9\"");
    CHECK(written("\0"s) == R"("\u0000")");
    CHECK(written("a\xff\xc3") == "\"a\ufffd\ufffd\"");
    for (unsigned one = 0; one < 256; ++one)
        for (unsigned other = 0; other < 256; ++other) {
            const std::string bytes{static_cast<char>(one), static_cast<char>(other)};
            REQUIRE(test::valid_json(written(bytes)));
        }
}
