#include "server/protocol/json_scanner.hpp"
#include "server/protocol/json_text.hpp"

#include "tests/unit/protocol/support.hpp"

#include <doctest/doctest.h>
#include <random>

using namespace walcast;
using namespace walcast::test;

namespace {

struct verdict {
    bool valid = false;
    bool irregular = false;
    std::size_t deepest = 0;
};

verdict scan(std::string_view text) {
    verdict made;
    json_scanner scanner(text);
    made.valid = scanner.skip(scanner.next(), made.deepest);
    made.irregular = scanner.irregular();
    made.valid = made.valid && scanner.next() == json_token::end;
    return made;
}

} // namespace

TEST_CASE("the scanner says where each token is") {
    json_scanner scanner(R"( {"a\"" : [1, "x",{}] , "b":null} )");
    const std::pair<json_token, std::string_view> expected[] = {
        {json_token::object_begin, "{"}, {json_token::key, R"("a\"")"},  {json_token::array_begin, "["},
        {json_token::number, "1"},       {json_token::string, R"("x")"}, {json_token::object_begin, "{"},
        {json_token::object_end, "}"},   {json_token::array_end, "]"},   {json_token::key, R"("b")"},
        {json_token::null, "null"},      {json_token::object_end, "}"},  {json_token::end, ""}};
    for (const auto &[token, bytes] : expected) {
        CHECK(scanner.next() == token);
        CHECK(scanner.token() == bytes);
    }
    CHECK(scanner.depth() == 0);
    CHECK(scanner.next() == json_token::end);
}

TEST_CASE("the scanner stays failed") {
    json_scanner scanner("[1 2]");
    CHECK(scanner.next() == json_token::array_begin);
    CHECK(scanner.next() == json_token::number);
    CHECK(scanner.next() == json_token::error);
    CHECK(scanner.next() == json_token::error);
}

TEST_CASE("the scanner knows which container it is in at every depth") {
    for (const std::size_t depth : {1, 63, 64, 65, 127, 128, 129, 1000}) {
        const auto objects = [](std::size_t n) { return repeat("{\"a\":[", n); };
        const auto text = objects(depth) + "1" + repeat("]}", depth);
        const auto found = scan(text);
        CHECK(found.valid);
        CHECK(found.deepest == 2 * depth);
        CHECK_FALSE(scan(objects(depth) + "1" + repeat("]}", depth - 1) + "}]").valid);
        CHECK_FALSE(scan(objects(depth) + "1" + repeat("]}", depth) + "]").valid);
        CHECK_FALSE(scan(objects(depth) + "1" + repeat("]}", depth - 1)).valid);
    }
    CHECK(scan(repeat("[", 1'000'000) + repeat("]", 1'000'000)).deepest == 1'000'000);
}

TEST_CASE("the scanner marks what later readers stumble over") {
    for (const auto *irregular :
         {R"("\ud800")", R"("\ud800x")", R"("\ud800\n")", R"("\ud800\u0041")", R"("\udc00")",
          R"("\ud83d\ude00\ude00")", "\"\xff\"", "\"\xc3\"", "\"\xed\xa0\x80\"", "1e999", "-1e309",
          "12345e305", R"({"a":["\udfff",1]})", R"({"\ud800":1})"}) {
        CHECK_MESSAGE(scan(irregular).valid, irregular);
        CHECK_MESSAGE(scan(irregular).irregular, irregular);
        const auto mended = regular_json(irregular);
        CHECK_MESSAGE(!scan(mended).irregular, mended);
        CHECK_MESSAGE(valid_json(mended), mended);
    }
    for (const auto *fine :
         {R"("\ud83d\ude00")", "\"\u00e9\U0001f600\"", "1e308", "1e-999", "0.1e309", "0e999", "-0"}) {
        CHECK_MESSAGE(scan(fine).valid, fine);
        CHECK_MESSAGE(!scan(fine).irregular, fine);
        CHECK(regular_json(fine) == fine);
    }
    CHECK(scan(std::string(400, '9')).irregular);
    CHECK_FALSE(scan(std::string(300, '9')).irregular);
    CHECK_FALSE(scan("0." + std::string(400, '0') + "1").irregular);
    CHECK_FALSE(scan(std::string(400, '9') + "e-200").irregular);
    CHECK(scan(std::string(400, '9') + "e-10").irregular);
    CHECK_FALSE(scan("1e-99999999999999999999").irregular);
    CHECK(scan("1e99999999999999999999").irregular);
    CHECK(regular_json("[1e999,\"a\\ud800\\\\b\xff\"]") == "[\"1e999\",\"a\ufffd\\\\b\ufffd\"]");
}

TEST_CASE("strings are compared and decoded with their escapes") {
    CHECK(json_string_is(R"("text")", "text"));
    CHECK(json_string_is(R"("\u0074\u0065\u0078\u0074")", "text"));
    CHECK_FALSE(json_string_is(R"("texts")", "text"));
    CHECK_FALSE(json_string_is(R"("tex")", "text"));
    CHECK_FALSE(json_string_is(R"("")", "text"));
    CHECK_FALSE(json_string_is(R"("\n\n")", "text"));
    CHECK(decode_json_string(R"("a\n\u00e9\ud83d\ude00\/")") == "a\n\u00e9\U0001f600/");
    CHECK(decode_json_string(R"("\u0000")") == std::string(1, '\0'));
}

TEST_CASE("the scanner accepts exactly what RapidJSON accepts") {
    const std::string_view seeds[] = {
        R"({"a":[1,-2.5e+3,true,false,null],"b":{"c":"d\n\u0041\ud83d\ude00"},"":""})",
        R"([0,-0,0.5,1e5,1E-5,123456789,"plain text of some length","\"\\\/\b\f\n\r\t"])",
        "{\"\u00e9\":\"\u20ac \U0001f600\",\"deep\":[[[[{}]]]],\"n\":[ ] , \"o\" : { } }",
        R"(  "just a string"  )", "-12.50e-3"};
    const std::string_view bytes = "{}[]\":,\\u0123456789abcdefE+-. \n\ttrufalsn\xc3\xa9\xff\x01/";
    std::mt19937 random(20'260'102);
    std::size_t accepted = 0, differences = 0;
    for (int round = 0; round < 60'000; ++round) {
        std::string text(seeds[random() % std::size(seeds)]);
        for (auto changes = random() % 4; changes-- > 0;) {
            const auto at = random() % text.size();
            if (const auto how = random() % 3; how == 0)
                text[at] = bytes[random() % bytes.size()];
            else if (how == 1)
                text.insert(at, 1, bytes[random() % bytes.size()]);
            else if (text.size() > 1)
                text.erase(at, 1);
        }
        auto found = scan(text);
        if (found.valid && found.irregular) {
            text = regular_json(text);
            found = scan(text);
        }
        accepted += found.valid;
        if (found.valid != valid_json(text) || (found.valid && found.irregular)) {
            ++differences;
            MESSAGE(text);
        }
    }
    CHECK(differences == 0);
    CHECK(accepted > 10'000);
}
