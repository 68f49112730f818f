#include "server/protocol/event_filter.hpp"

#include "tests/unit/protocol/support.hpp"

#include <cstdlib>
#include <doctest/doctest.h>
#include <new>

using namespace walcast;
using namespace walcast::test;

namespace {
std::size_t allocations = 0;
} // namespace

// Counted in the whole test program, so that a test can say that something allocates nothing.
void *operator new(std::size_t bytes) {
    ++allocations;
    if (void *const memory = std::malloc(bytes == 0 ? 1 : bytes))
        return memory;
    throw std::bad_alloc();
}
void *operator new(std::size_t bytes, const std::nothrow_t &) noexcept {
    ++allocations;
    return std::malloc(bytes == 0 ? 1 : bytes);
}
void operator delete(void *memory) noexcept {
    std::free(memory);
}
void operator delete(void *memory, std::size_t) noexcept {
    std::free(memory);
}

namespace {

const event example{.id = log_id{1},
                    .uuid = "zzzzz-57u5n-000000000000001",
                    .object_uuid = "zzzzz-4zz18-bv31uwvy3neko21",
                    .object_owner_uuid = "zzzzz-j7d0g-v955i6s2oi1cbso",
                    .event_type = "update",
                    .event_at = 1'767'323'045'678'901,
                    .created_at = 1'767'323'045'000'000}; // 2026-01-02 03:04:05

bool matches(std::string_view filters, const event &what = example) {
    const auto made = event_filter::compile(filters);
    REQUIRE_MESSAGE(made.has_value(), std::string(filters));
    return made->matches(what);
}

std::string canonical(std::string_view filters) {
    const auto made = event_filter::compile(filters);
    REQUIRE(made.has_value());
    return std::string(made->canonical());
}

} // namespace

TEST_CASE("filters: no list and an empty one let everything through and are not equal") {
    CHECK(event_filter().matches(example));
    CHECK(matches("null"));
    CHECK(matches("[]"));
    CHECK(event_filter().canonical() == canonical("null"));
    CHECK(canonical("null") != canonical("[]"));
    CHECK_FALSE(event_filter().required_event_types());
}

TEST_CASE("filters: every operator on the text columns") {
    for (const auto *yes :
         {R"([["event_type","=","update"]])", R"([["event_type","!=","create"]])",
          R"([["event_type","in",["create","update"]]])", R"([["event_type","not in",["create"]]])",
          R"([["event_type","like","up%"]])", R"([["event_type","ilike","UP%"]])",
          R"([["object_uuid","=","zzzzz-4zz18-bv31uwvy3neko21"]])",
          R"([["object_uuid","in",["a","zzzzz-4zz18-bv31uwvy3neko21"]]])", R"([["object_uuid","not in",[]]])",
          R"([["object_uuid","like","zzzzz-4zz18-%"]])", R"([["object_uuid","is_a","arvados#collection"]])",
          R"([["object_uuid","is_a",["arvados#group","arvados#collection"]]])",
          R"([["object_owner_uuid","is_a","arvados#group"]])",
          R"([["object_owner_uuid","=","zzzzz-j7d0g-v955i6s2oi1cbso"]])"})
        CHECK_MESSAGE(matches(yes), yes);
    for (const auto *no : {R"([["event_type","=","create"]])", R"([["event_type","!=","update"]])",
                           R"([["event_type","in",[]]])", R"([["event_type","not in",["create","update"]]])",
                           R"([["event_type","like","UP%"]])", R"([["event_type","ilike","down%"]])",
                           R"([["object_uuid","=","zzzzz-4zz18-bv31uwvy3neko22"]])",
                           R"([["object_uuid","is_a","arvados#group"]])", R"([["object_uuid","is_a",[]]])",
                           R"([["object_uuid","is_a","arvados#job"]])",
                           R"([["object_owner_uuid","!=","zzzzz-j7d0g-v955i6s2oi1cbso"]])",
                           R"([["object_owner_uuid","is_a","arvados#user"]])"})
        CHECK_MESSAGE(!matches(no), no);
}

TEST_CASE("filters: a null column is an empty text, and so is a null operand") {
    auto nothing = example;
    nothing.event_type = "";
    nothing.object_owner_uuid = "";
    CHECK(matches(R"([["event_type","=",null]])", nothing));
    CHECK(matches(R"([["event_type","=",""]])", nothing));
    CHECK_FALSE(matches(R"([["event_type","!=",null]])", nothing));
    CHECK(matches(R"([["event_type","!=","create"]])", nothing));
    CHECK(matches(R"([["object_owner_uuid","!=",null]])"));
    CHECK_FALSE(matches(R"([["event_type","in",["create",null]]])", nothing));
}

TEST_CASE("filters: created_at in each spelling, with each operator") {
    for (const auto *yes :
         {R"([["created_at",">=","2026-01-02T03:04:05Z"]])",
          R"([["created_at","<=","2026-01-02T03:04:05Z"]])", R"([["created_at","=","2026-01-02T03:04:05Z"]])",
          R"([["created_at","=","2026-01-02T05:04:05+02:00"]])",
          R"([["created_at",">","2026-01-02 03:04:04"]])", R"([["created_at","<","2026-01-02 03:04:06"]])",
          R"([["created_at",">=","2026-01-02"]])", R"([["created_at","<","2026-01-03"]])",
          R"([["created_at",">","2026-01-02T03:04:04.999999Z"]])"})
        CHECK_MESSAGE(matches(yes), yes);
    for (const auto *no :
         {R"([["created_at",">","2026-01-02T03:04:05Z"]])", R"([["created_at","<","2026-01-02T03:04:05Z"]])",
          R"([["created_at","=","2026-01-02T03:04:05.5Z"]])", R"([["created_at",">=","2026-01-03"]])",
          R"([["created_at","<=","2026-01-02"]])", R"([["created_at",">=","2026-01-02T03:04:05-01:00"]])"})
        CHECK_MESSAGE(!matches(no), no);
}

TEST_CASE("filters: what is not understood lets everything through") {
    for (const auto *ignored :
         {R"([["colour","=","red"]])", R"([["event_type","~","x"]])", R"([["event_type","IN",["create"]]])",
          R"([["event_type","is_a","arvados#collection"]])", R"([["event_type","in","create"]])",
          R"([["event_type","=",5]])", R"([["event_type","=",["create"]]])",
          R"([["event_type","like",["create"]]])", R"([["event_type","="]])",
          R"([["event_type","=","create",1]])", R"([[]])", R"([null])", R"([[1,2,3]])",
          R"([["created_at",">","yesterday"]])", R"([["created_at",">",5]])",
          R"([["created_at","!=","2026-01-02"]])", R"([["created_at",">","999999-01-01"]])",
          R"([["created_at",">","2026-02-30"]])", R"([["object_uuid","<","a"]])"})
        CHECK_MESSAGE(matches(ignored), ignored);
}

TEST_CASE("filters: conditions are joined with and") {
    CHECK(matches(R"([["event_type","in",["create","update"]],["event_type","in",["update","delete"]]])"));
    CHECK_FALSE(matches(R"([["event_type","in",["create","update"]],["event_type","=","create"]])"));
    CHECK_FALSE(matches(R"([["event_type","!=","create"],["event_type","not in",["a","update"]]])"));
    CHECK_FALSE(matches(R"([["object_uuid","is_a","arvados#collection"],["object_uuid","like","a%"]])"));
    CHECK_FALSE(matches(R"([["created_at",">","2026-01-01"],["created_at","<","2026-01-02"]])"));
    CHECK(
        matches(R"([["created_at",">","2026-01-01"],["created_at","<","2026-01-03"],["colour","=","red"]])"));
}

TEST_CASE("filters: what is no list of lists is refused") {
    for (const auto *bad :
         {"", "x", "{}", "\"x\"", "5", "true", "[1]", "[{}]", "[\"a\"]", "[[]", "[] x", "[[1e999]]"})
        CHECK_MESSAGE(!event_filter::compile(bad), bad);
}

TEST_CASE("filters: deep equality has one spelling") {
    CHECK(canonical(R"([ [ "event_type" , "in" , [ "a" ] ] ])") ==
          canonical(R"([["event_\u0074ype","in",["a"]]])"));
    CHECK(canonical(R"([["a",{"x":1,"y":[2.50]},-0]])") ==
          canonical(R"([["a",{"y":[25e-1],"x":7,"x":1.0},0]])"));
    CHECK(canonical(R"([["event_type","in",["a","b"]]])") != canonical(R"([["event_type","in",["b","a"]]])"));
    CHECK(canonical(R"([["event_type","=","a"]])") != canonical(R"([["event_type","in",["a"]]])"));
    CHECK(canonical("[[]]") != canonical("[null]"));
    CHECK(canonical(R"([["1"]])") != canonical("[[1]]"));
    CHECK(canonical(R"([["a",[],["b"],[["c"],"d"]]])") == R"([["a",[],["b"],[["c"],"d"]]])");
    CHECK(valid_json(canonical(R"([["\u0000\"\\",{"\n":null}]])")));
}

TEST_CASE("filters: numbers of any length, within the range of a double") {
    const std::string zeros(500, '0');
    CHECK(canonical("[[0." + zeros + "12345678901234567890123]]") == "[[0]]");
    CHECK(canonical("[[0." + zeros.substr(0, 250) + "12345678901234567890123]]") ==
          "[[1.2345678901234567e-251]]");
    CHECK(canonical("[[1" + zeros.substr(0, 300) + ".0]]") == "[[1e+300]]");
    CHECK(canonical("[[-12345678901234567890123e-200, 1.7976931348623157e308]]") ==
          "[[-1.234567890123457e-178,1.7976931348623157e+308]]");
    CHECK(!event_filter::compile("[[1" + zeros + "]]"));
    CHECK(!event_filter::compile("[[1e999]]"));
}

TEST_CASE("filters: what a topic index may hash") {
    const auto both = event_filter::compile(
        R"([["event_type","in",["b","a","b"]],["object_uuid","=","u"],["object_owner_uuid","=","o"]])");
    REQUIRE(both->required_event_types());
    CHECK(both->required_event_types()->size() == 2);
    CHECK((*both->required_event_types())[0] == "a");
    CHECK((*both->required_object_uuids())[0] == "u");
    CHECK_FALSE(both->matches_nothing());

    const auto neither = event_filter::compile(R"([["event_type","!=","a"],["object_uuid","like","u"]])");
    CHECK_FALSE(neither->required_event_types());
    CHECK_FALSE(neither->required_object_uuids());

    const auto narrowed = event_filter::compile(R"([["event_type","in",["a","b"]],["event_type","=","c"]])");
    CHECK(narrowed->required_event_types()->empty());
    CHECK(narrowed->matches_nothing());
    CHECK(event_filter::compile(R"([["created_at",">","2026-01-02"],["created_at","<","2026-01-01"]])")
              ->matches_nothing());
}

TEST_CASE("filters: matching allocates nothing") {
    const auto made = event_filter::compile(
        R"([["event_type","in",["create","update"]],["object_uuid","is_a",["arvados#collection","arvados#group"]],
            ["object_uuid","ilike","%4ZZ18%_"],["object_owner_uuid","not in",["a","b"]],["created_at",">","2026-01-01"]])");
    const auto before = allocations;
    bool all = true;
    for (int again = 0; again < 100; ++again)
        all = all && made->matches(example);
    const auto after = allocations;
    CHECK(all);
    CHECK(after == before);
}

TEST_CASE("filters: two mebibytes of anything") {
    constexpr std::size_t size = std::size_t{2} << 20;
    std::string list = R"([["event_type","in",[")" + repeat("x\",\"", size / 4) + R"(update"]]])";
    CHECK(matches(list));
    CHECK(event_filter::compile(list)->footprint() < 4 * size);

    list = "[" + repeat(R"(["event_type","!=","x"],)", size / 24) + "[]]";
    CHECK(matches(list));
    list = "[" + repeat(R"(["event_type","in",["update","x"]],)", size / 36) + "[]]";
    CHECK(matches(list));
    list = "[" + repeat("[],", size / 3) + "[]]";
    CHECK(matches(list));
    list = R"([["event_type","like",")" + repeat("%u", size / 2) + "\"]]";
    CHECK_FALSE(matches(list));

    CHECK_FALSE(event_filter::compile("[" + repeat(R"(["event_type","like","%"],)", 20) + "[]]"));
    CHECK_FALSE(event_filter::compile("[[" + repeat("[", 1'000'000) + repeat("]", 1'000'000) + "]]"));
    CHECK_FALSE(event_filter::compile(repeat("[", 1'000'000)));
    CHECK_FALSE(event_filter::compile("[[" + repeat("{\"a\":", 300'000) + "1" + repeat("}", 300'000) + "]]"));
    CHECK(matches("[[" + repeat("[", 900) + repeat("]", 900) + "]]"));
}
