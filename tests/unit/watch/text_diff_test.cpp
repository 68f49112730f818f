#include "server/watch/text_diff.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <random>
#include <string>
#include <vector>

using namespace walcast;

namespace {

std::string change(std::string_view before, std::string_view after) {
    const auto made = find_change(before, after);
    CHECK(std::string(made.head) + std::string(made.before) + std::string(made.tail) == before);
    CHECK(std::string(made.head) + std::string(made.after) + std::string(made.tail) == after);
    return fmt::format("{}[{}>{}]{}", made.head, made.before, made.after, made.tail);
}

/// `line: -before +after`
std::string line_changes(std::string_view before, std::string_view after) {
    std::string told;
    for (const auto &one : find_line_changes(before, after)) {
        told += fmt::format("{}{}:", told.empty() ? "" : " ", one.line);
        for (const auto line : one.before)
            told += fmt::format(" -{}", line);
        for (const auto line : one.after)
            told += fmt::format(" +{}", line);
    }
    return told;
}

} // namespace

TEST_CASE("where two texts differ") {
    CHECK(change("abcdef", "abXdef") == "ab[c>X]def");
    CHECK(change("abc", "abc") == "abc[>]");
    CHECK(change("", "x") == "[>x]");
    CHECK(change("aaa", "aa") == "aa[a>]");
    CHECK(change("ab", "aab") == "a[>a]b");
}

TEST_CASE("no character is cut in two") {
    CHECK(change("xé", "xè") == "x[é>è]");        // they begin with the same byte
    CHECK(change("\u00e9", "\u0129") == "[é>ĩ]"); // they end with the same byte
    CHECK(change("a\u00e9z", "a\u0129z") == "a[é>ĩ]z");
    CHECK(change("\U0001f600", "\U0001f601x") == "[\U0001f600>\U0001f601x]");
}

TEST_CASE("lines that were replaced") {
    CHECK(line_changes("a\nb\nc\n", "a\nx\nc\n") == "2: -b +x");
    CHECK(line_changes("a\nb\nc\nd\ne", "A\nb\nc\nd\nE") == "1: -a +A 5: -e +E");
    CHECK(line_changes("a\nb\n", "a\nx\nb\n") == "2: +x");
    CHECK(line_changes("a\nx\nb\n", "a\nb\n") == "2: -x");
    CHECK(line_changes("", "a\n") == "1: +a");
    CHECK(line_changes("a", "a\n").empty());
    CHECK(line_changes("same\n", "same\n").empty());
}

TEST_CASE("the changes make one text of the other, whatever they are") {
    std::mt19937 random(7);
    for (int round = 0; round < 500; ++round) {
        const auto text = [&] {
            std::string made;
            for (auto count = random() % 12; count > 0; --count)
                made += std::string(1, static_cast<char>('a' + random() % 4)) + '\n';
            return made;
        };
        const auto before = text(), after = text();
        std::vector<std::string> lines;
        for (std::size_t at = 0; at < before.size(); at += 2)
            lines.emplace_back(1, before[at]);
        for (const auto &one : find_line_changes(before, after)) {
            REQUIRE(one.line >= 1);
            const auto begin = lines.begin() + static_cast<std::ptrdiff_t>(one.line - 1);
            REQUIRE(static_cast<std::size_t>(lines.end() - begin) >= one.before.size());
            for (std::size_t at = 0; at < one.before.size(); ++at)
                CHECK(begin[static_cast<std::ptrdiff_t>(at)] == one.before[at]);
            const auto rest = lines.erase(begin, begin + static_cast<std::ptrdiff_t>(one.before.size()));
            lines.insert(rest, one.after.begin(), one.after.end());
        }
        std::string made;
        for (const auto &line : lines)
            made += line + '\n';
        CHECK(made == after);
    }
}

TEST_CASE("too many lines are one change") {
    std::string before = "head\n", after = "head\n";
    for (int at = 0; at < 600; ++at) {
        before += fmt::format("a{}\n", at);
        after += fmt::format("b{}\n", at);
    }
    const auto made = find_line_changes(before + "tail\n", after + "tail\n");
    REQUIRE(made.size() == 1);
    CHECK(made[0].line == 2);
    CHECK(made[0].before.size() == 600);
    CHECK(made[0].after.size() == 600);
}
