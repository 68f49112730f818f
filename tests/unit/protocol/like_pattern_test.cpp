#include "server/protocol/like_pattern.hpp"

#include "tests/unit/protocol/support.hpp"

#include <doctest/doctest.h>

using namespace walcast;

namespace {
bool like(std::string_view text, std::string_view pattern) {
    return like_pattern(pattern, letter_case::exact).matches(text);
}
bool ilike(std::string_view text, std::string_view pattern) {
    return like_pattern(pattern, letter_case::ignored).matches(text);
}

/// LIKE as the definition says, in exponential time; for short ASCII.
bool by_definition(std::string_view text, std::string_view pattern) {
    if (pattern.empty())
        return text.empty();
    if (pattern[0] == '%')
        return by_definition(text, pattern.substr(1)) ||
               (!text.empty() && by_definition(text.substr(1), pattern));
    const bool escaped = pattern[0] == '\\' && pattern.size() > 1;
    const auto wanted = escaped ? pattern[1] : pattern[0];
    if (text.empty() || ((escaped || wanted != '_') && text[0] != wanted))
        return false;
    return by_definition(text.substr(1), pattern.substr(escaped ? 2 : 1));
}
} // namespace

TEST_CASE("LIKE as SQL has it") {
    CHECK(like("abc", "abc"));
    CHECK(like("abc", "a%"));
    CHECK(like("abc", "%c"));
    CHECK(like("abc", "%b%"));
    CHECK(like("abc", "a_c"));
    CHECK(like("", ""));
    CHECK(like("", "%"));
    CHECK_FALSE(like("abc", "b"));
    CHECK_FALSE(like("abc", "a_"));
    CHECK_FALSE(like("", "_"));
    CHECK_FALSE(like("ABC", "abc"));
    CHECK(like("zzzzz-4zz18-bv31uwvy3neko21", "_____-4zz18-%"));
}

TEST_CASE("LIKE: escapes, and a backslash with nothing to escape") {
    CHECK(like("50%", "50\\%"));
    CHECK_FALSE(like("505", "50\\%"));
    CHECK(like("a_b", "a\\_b"));
    CHECK_FALSE(like("axb", "a\\_b"));
    CHECK(like("a\\", "a\\\\"));
    CHECK(like("a\\", "a\\"));
}

TEST_CASE("LIKE: a character is not a byte") {
    CHECK(like("\u00e9", "_"));
    CHECK_FALSE(like("\u00e9", "__"));
    CHECK(like("a\U0001f600b", "a_b"));
    CHECK(like("xx\u20acyy", "%_y_"));
    CHECK(like("\xff", "_"));
}

TEST_CASE("ILIKE leaves the case of ASCII letters aside") {
    CHECK(ilike("Arvados#Collection", "arvados#%COLLECTION"));
    CHECK(ilike("xABCx", "%_b_%"));
    CHECK_FALSE(ilike("\u00c9", "\u00e9"));
}

TEST_CASE("LIKE agrees with its definition on every short pattern") {
    const std::string_view letters = "ab%_\\";
    std::vector<std::string> patterns{""}, texts{""};
    for (std::size_t at = 0; at < patterns.size() && patterns[at].size() < 5; ++at)
        for (const char letter : letters)
            patterns.push_back(patterns[at] + letter);
    for (std::size_t at = 0; at < texts.size() && texts[at].size() < 5; ++at)
        for (const char letter : {'a', 'b'})
            texts.push_back(texts[at] + letter);
    std::size_t differences = 0;
    for (const auto &pattern : patterns)
        for (const auto &text : texts)
            if (like(text, pattern) != by_definition(text, pattern) ||
                ilike(text, pattern) != by_definition(text, pattern))
                ++differences;
    CHECK(differences == 0);
}

TEST_CASE("LIKE: patterns that make backtracking matchers explode") {
    const std::string text(255, 'a');
    CHECK_FALSE(like(text, test::repeat("%a", 200) + "b"));
    CHECK_FALSE(like(text, test::repeat("a%", 250) + "%b%"));
    CHECK_FALSE(ilike(text, test::repeat("%_a", 80) + "%b"));
    CHECK(like(text, test::repeat("%", 1'000'000)));
    CHECK_FALSE(like(text, test::repeat("%_", 1'000'000)));
    CHECK_FALSE(like(text, test::repeat("_", 1'000'000)));
}
