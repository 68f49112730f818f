#include "server/watch/json_diff.hpp"

#include <chrono>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>
#include <string>
#include <vector>

using namespace walcast;

namespace {

rapidjson::Document parsed(const std::string &text) {
    rapidjson::Document made;
    made.Parse<rapidjson::kParseIterativeFlag>(text.c_str());
    REQUIRE(!made.HasParseError());
    return made;
}

std::string written(const rapidjson::Value *value) {
    if (value == nullptr)
        return "nothing";
    rapidjson::StringBuffer buffer;
    rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
    value->Accept(writer);
    return buffer.GetString();
}

/// `path before>after` for each place.
std::vector<std::string> differences(const std::string &before, const std::string &after,
                                     std::size_t most = 10) {
    const auto one = parsed(before), other = parsed(after);
    std::vector<json_difference> places;
    const bool more = find_differences(one, other, "c", most, places);
    std::vector<std::string> made;
    for (const auto &place : places)
        made.push_back(fmt::format("{} {}>{}", place.path, written(place.before), written(place.after)));
    if (more)
        made.emplace_back("more");
    return made;
}

using lines = std::vector<std::string>;

} // namespace

TEST_CASE("what is alike is no difference, whatever the order of names and the spelling") {
    CHECK(
        differences(R"({"a":1,"b":[1,{"x":null}],"c":"\u00e9"})", R"( {"c":"é", "b":[1,{"x":null}],"a":1} )")
            .empty());
    CHECK(differences("1", "1.0").empty());
    CHECK(differences("{}", "{}").empty());
}

TEST_CASE("differences are where they are, as deep as there is something in common") {
    CHECK(differences("1", "2") == lines{"c 1>2"});
    CHECK(differences("null", "{}") == lines{"c null>{}"});
    CHECK(differences(R"({"a":{"b":{"c":1,"d":2}}})", R"({"a":{"b":{"c":3,"d":2}}})") ==
          lines{"c.a.b.c 1>3"});
    CHECK(differences(R"({"a":1,"b":2})", R"({"b":3,"c":4})") ==
          lines{"c.b 2>3", "c.c nothing>4", "c.a 1>nothing"});
    CHECK(differences(R"({"a":[1]})", R"({"a":{"0":1}})") == lines{R"(c.a [1]>{"0":1})"});
}

TEST_CASE("in arrays what is before and behind the change is left out") {
    CHECK(differences("[1,2,3]", "[1,2,3,4]") == lines{"c[3] nothing>4"});
    CHECK(differences("[1,2,3]", "[0,1,2,3]") == lines{"c[0] nothing>0"});
    CHECK(differences("[1,2,3]", "[1,3]") == lines{"c[1] 2>nothing"});
    CHECK(differences("[1,2,3]", "[]") == lines{"c[0] 1>nothing", "c[1] 2>nothing", "c[2] 3>nothing"});
    CHECK(differences(R"([{"a":1,"b":1},5])", R"([{"a":2,"b":1},5])") == lines{"c[0].a 1>2"});
    CHECK(differences("[1,1,1]", "[1,1]") == lines{"c[2] 1>nothing"});
    CHECK(differences("[1,2,9]", "[3,4,5,9]") == lines{"c[0] 1>3", "c[1] 2>4", "c[2] nothing>5"});
}

TEST_CASE("no more differences than wanted") {
    CHECK(differences("[1,2,3]", "[4,5,6]", 2) == lines{"c[0] 1>4", "c[1] 2>5", "more"});
    CHECK(differences("[1,2,3]", "[4,5,6]", 3).back() == "c[2] 3>6");
}

TEST_CASE("a value in its parts") {
    const auto value = parsed(R"({"a":{"b":1,"e":{}},"l":["x",[],null]})");
    std::vector<json_difference> places;
    CHECK(!find_leaves(value, "c", 10, places));
    lines made;
    for (const auto &place : places)
        made.push_back(place.path + " " + written(place.after));
    CHECK(made == lines{"c.a.b 1", "c.a.e {}", "c.l[0] \"x\"", "c.l[1] []", "c.l[2] null"});
    CHECK(find_leaves(value, "c", 4, places));
    CHECK(places.size() == 9);
}

TEST_CASE("large and deep values, and names twice, are compared soon") {
    std::string large = "{", shuffled = "{";
    for (int at = 0; at < 100'000; ++at) {
        large += fmt::format("{}\"k{}\":{}", at ? "," : "", at, at);
        shuffled += fmt::format("{}\"k{}\":{}", at ? "," : "", 99'999 - at, 99'999 - at);
    }
    std::string deep = "1", other = "2";
    for (int at = 0; at < 900; ++at) {
        deep = at % 2 ? "[" + deep + "]" : "{\"" + std::string(50, 'n') + "\":" + deep + "}";
        other = at % 2 ? "[" + other + "]" : "{\"" + std::string(50, 'n') + "\":" + other + "}";
    }
    const auto begin = std::chrono::steady_clock::now();
    CHECK(differences(large + "}", shuffled + ",\"x\":1}") == lines{"c.x nothing>1"});
    const auto found = differences(deep, other);
    REQUIRE(found.size() == 1);
    CHECK(found.front().size() < 600);
    CHECK(differences(R"({"a":1,"a":2})", R"({"a":1,"a":3})").size() <= 2);
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(20));
}
