#include "server/protocol/yaml_json.hpp"

#include "server/protocol/yaml_scalar.hpp"
#include "tests/unit/protocol/support.hpp"

#include <doctest/doctest.h>

using namespace walcast;
using namespace walcast::test;
using namespace std::string_literals;

namespace {
std::string converted(std::string_view yaml) {
    return yaml_to_json(yaml, 1 << 20).value_or("nothing");
}
} // namespace

TEST_CASE("plain scalars mean what YAML 1.1 and Go say") {
    const std::pair<std::string_view, std::string_view> expected[] = {
        {"~", "null"},
        {"Null", "null"},
        {"yes", "true"},
        {"Off", "false"},
        {"n", "false"},
        {"TRUE", "true"},
        {"12", "12"},
        {"-12", "-12"},
        {"+12", "12"},
        {"1_000", "1000"},
        {"0x1F", "31"},
        {"0b101", "5"},
        {"0o17", "15"},
        {"017", "15"},
        {"-0", "0"},
        {"1.50", "1.5"},
        {".5", "0.5"},
        {"1e3", "1000"},
        {"-1.5e-3", "-0.0015"},
        {"1.", "1"},
        {"18446744073709551615", "18446744073709551615"},
        {"9223372036854775808", "9223372036854775808"}};
    for (const auto &[plain, json] : expected)
        CHECK_MESSAGE(resolve_yaml_scalar(plain).json == json, std::string(plain));
    for (const auto *string :
         {"a",        "yesterday", "tRUE",     "2020-01-02", "2020-01-02 03:04:05.000000000 Z",
          "1.2.3",    "0x",        "08x",      "-",          "+",
          ".",        "--1",       "1-1",      "1e",         "1e999",
          "12:30:45", ":name",     "infinity", "nan",        "0x1p4"})
        CHECK_MESSAGE(resolve_yaml_scalar(string).is == yaml_scalar::kind::string, string);
    for (const auto *impossible : {".inf", "-.Inf", ".NaN"})
        CHECK(resolve_yaml_scalar(impossible).is == yaml_scalar::kind::not_json);
}

TEST_CASE("YAML as Ruby wrote it becomes JSON") {
    CHECK(converted("--- {}\n") == "{}");
    CHECK(converted("---\na: 1\nb:\n- x\n- 'yes'\n- yes\nc:\n") ==
          R"({"a":1,"b":["x","yes",true],"c":null})");
    CHECK(converted("---\n:sym: :val\n") == R"({":sym":":val"})");
    CHECK(converted("--- |\n  line 1\n  line 2\n") == R"("line 1\nline 2\n")");
    CHECK(converted("---\nt: !!binary aGVsbG8=\nr: !ruby/object:Foo\n  x: 1\ns: !!str 5\ni: !!int \"5\"\n") ==
          R"({"t":"hello","r":{"x":1},"s":"5","i":5})");
    CHECK(converted("---\n1: a\ntrue: b\n1.50: c\n'2': d\n") == R"({"1":"a","true":"b","1.5":"c","2":"d"})");
    CHECK(converted("--- \n") == "null");
    CHECK(converted("# nothing\n") == "null");
    CHECK(converted("--- a\n--- b\n") == R"("a")");
}

TEST_CASE("aliases are written out") {
    CHECK(converted("a: &x {b: [1, 2]}\nc: *x\nd: &y s\ne: *y\n") ==
          R"({"a":{"b":[1,2]},"c":{"b":[1,2]},"d":"s","e":"s"})");
    CHECK(converted("a: &n 5\n? *n\n: b\n") == R"({"a":5,"5":"b"})");
    CHECK(converted("a: &x\n  b: &x 1\nc: *x\n") != "nothing");
    CHECK(converted("&a [*a]") == "nothing");
    CHECK(converted("[*nowhere]") == "nothing");
}

TEST_CASE("what JSON cannot hold is nothing") {
    for (const auto *yaml :
         {"a: .inf", "? [a]\n: b", "? {a: b}\n: c", "~: a", "? &x [1]\n: a", "a: &x [1]\n? *x\n: b", "{a",
          "a: [", "\t- a: b\n c", "a: b: c", "!<tag", "%YAML 9.9\n--- a", "'abc", "*"})
        CHECK_MESSAGE(converted(yaml) == "nothing", yaml);
}

TEST_CASE("hostile YAML is bounded") {
    std::string laughs = "a: &a [x,x,x,x,x,x,x,x,x]\n";
    for (char name = 'b'; name < 'k'; ++name) {
        laughs += std::string(1, name) + ": &" + name + " [";
        for (int again = 0; again < 9; ++again)
            laughs += std::string("*") + static_cast<char>(name - 1) + ",";
        laughs += "]\n";
    }
    CHECK(converted(laughs) == "nothing");
    CHECK(converted(std::string(100'000, '[')) == "nothing");
    CHECK(converted(repeat("{a: ", 50'000)) == "nothing");
    CHECK(converted(repeat("- ", 50'000)) == "nothing");
    CHECK(converted(repeat("? ", 50'000)) == "nothing");
    CHECK(valid_json(converted("a: \"\xff\xfe\"")));
    CHECK(valid_json(converted("a: !!binary /w==")));
    CHECK(converted("a: !!binary aGVs\xff\xffG8=") == "nothing");
    CHECK(converted("a: \0b"s) == "nothing");
    CHECK_FALSE(yaml_to_json("aaaaaaaaaaaaaaaaaaaa", 10));
}
