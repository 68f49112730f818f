#include "server/protocol/record_encode.hpp"

#include "tests/unit/protocol/support.hpp"

#include <doctest/doctest.h>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace walcast;
using namespace walcast::test;

namespace {

const record_class things{.kind = "arvados#thing",
                          .infix = "thing",
                          .table = "things",
                          .resource = "things",
                          .published = {"uuid", "state", "mounts", "count", "more"},
                          .serialized = {"mounts"}};

struct column_value {
    column of;
    value_kind kind = value_kind::text;
    std::string bytes;
};

column_value named(const char *name, std::uint32_t type, std::string bytes,
                   value_kind kind = value_kind::text) {
    return {{name, type}, kind, std::move(bytes)};
}

/// Follows a change that has these values, in a table of these columns.
void follow(record_image &image, const std::vector<column_value> &values,
            change_kind kind = change_kind::insert) {
    std::vector<column> columns;
    for (const auto &one : values)
        columns.push_back(one.of);
    transaction_builder builder;
    builder.begin(7, lsn{100}, 5);
    builder.add(kind, std::make_shared<relation>(1, "public", "things", 'd', columns));
    if (kind != change_kind::remove)
        for (const auto &one : values)
            builder.add_new(one.kind, one.bytes);
    const auto made = builder.finish(lsn{120});
    image.apply(*made, made->changes()[0]);
}

record_image image_of(const std::vector<column_value> &values) {
    record_image made;
    follow(made, values);
    return made;
}

std::string record(const record_image &image, const projection &as = projection(things)) {
    std::string made = "{"; // what is behind it must not matter
    encode_record(image, as, made);
    return made.substr(1);
}

/// The JSON of one value of a type.
std::string json(std::uint32_t type, std::string bytes, value_kind kind = value_kind::text,
                 const char *name = "state") {
    const auto made = record(image_of({named(name, type, std::move(bytes), kind)}));
    CHECK_MESSAGE(valid_json(made), made);
    CHECK_MESSAGE(made.find('\n') == std::string::npos, made);
    const auto head = std::string("{\"") + name + "\":";
    REQUIRE(made.starts_with(head));
    return made.substr(head.size(), made.size() - head.size() - 1);
}
std::string serialized(std::string bytes) {
    return json(pg_type::text, std::move(bytes), value_kind::text, "mounts");
}
template <std::size_t N>
std::string binary(std::uint32_t type, const char (&bytes)[N]) {
    return json(type, std::string(bytes, N - 1), value_kind::binary);
}

/// The change, or "nothing".
std::string change_of(record_change_type type, const record_image &before, const record_image &after,
                      const projection &as = projection(things)) {
    std::string made = "{";
    if (!encode_record_change(type, before, after, as, 1'767'323'045'500'000, made)) {
        CHECK(made == "{");
        return "nothing";
    }
    CHECK_MESSAGE(valid_json(made), made);
    return made;
}

constexpr auto update = record_change_type::update;

} // namespace

TEST_CASE("a record has the columns of its class, in the order of the class") {
    const auto image = image_of({named("id", pg_type::int8, "1"), named("more", pg_type::text, "x"),
                                 named("count", pg_type::int4, "7"), named("uuid", pg_type::varchar, "u"),
                                 named("state", pg_type::varchar, "", value_kind::null)});
    CHECK(record(image) == R"({"uuid":"u","state":null,"count":7,"more":"x"})");
    CHECK(record(image, projection(things, {"count", "id", "uuid", "count"})) == R"({"uuid":"u","count":7})");
}

TEST_CASE("a secret column never appears, nor one that is not published") {
    auto secret = named("state", pg_type::text, "hush");
    secret.of.secret = true;
    const auto image = image_of({named("uuid", pg_type::varchar, "u"), secret,
                                 named("runtime_token", pg_type::text, "hush", value_kind::text)});
    for (const auto &as : {projection(things), projection(things, {"state", "uuid", "runtime_token"})}) {
        CHECK(record(image, as) == R"({"uuid":"u"})");
        CHECK(change_of(record_change_type::insert, {}, image, as).find("hush") == std::string::npos);
        CHECK(change_of(update, image_of({named("state", pg_type::text, "")}), image, as).find("hush") ==
              std::string::npos);
    }
}

TEST_CASE("what is not there is null; what is not known is left out") {
    record_image image;
    CHECK(record(image) == "null");
    follow(image,
           {named("uuid", pg_type::varchar, "u"), named("mounts", pg_type::text, "", value_kind::unchanged),
            named("state", pg_type::text, "", value_kind::absent)});
    CHECK(record(image) == R"({"uuid":"u"})");
    image.set_absent();
    CHECK(record(image) == "null");
}

TEST_CASE("equal projections have an equal name") {
    CHECK(projection(things).canonical() == "count,more,mounts,state,uuid");
    CHECK(projection(things, {"more", "uuid"}).canonical() == "more,uuid");
    CHECK(projection(things, {"uuid", "more", "uuid"}).canonical() == "more,uuid");
    CHECK(projection(things, {"uuid", "more", "count", "state", "mounts"}).canonical() ==
          projection(things).canonical());
}

TEST_CASE("booleans and numbers, in both forms") {
    CHECK(json(pg_type::boolean, "t") == "true");
    CHECK(json(pg_type::boolean, "f") == "false");
    CHECK(binary(pg_type::boolean, "\1") == "true");
    CHECK(binary(pg_type::boolean, "\0") == "false");
    CHECK(json(pg_type::int2, "-32768") == "-32768");
    CHECK(binary(pg_type::int2, "\x80\x00") == "-32768");
    CHECK(binary(pg_type::int4, "\0\0\0\7") == "7");
    CHECK(json(pg_type::int8, "9007199254740992") == "9007199254740992");
    CHECK(json(pg_type::int8, "9007199254740993") == R"("9007199254740993")");
    CHECK(json(pg_type::int8, "-9007199254740993") == R"("-9007199254740993")");
    CHECK(binary(pg_type::int8, "\x00\x20\x00\x00\x00\x00\x00\x00") == "9007199254740992");
    CHECK(binary(pg_type::int8, "\x7f\xff\xff\xff\xff\xff\xff\xff") == R"("9223372036854775807")");
    CHECK(binary(pg_type::int8, "\0\0\0\7") == "null"); // four bytes are no int8
    CHECK(json(pg_type::int4, "x") == "null");
}

TEST_CASE("floats are numbers, and the same in both forms") {
    CHECK(json(pg_type::float8, "0.1") == "0.1");
    CHECK(binary(pg_type::float8, "\x3f\xb9\x99\x99\x99\x99\x99\x9a") == "0.1");
    CHECK(json(pg_type::float8, "100000") == "100000");
    CHECK(binary(pg_type::float8, "\x40\xf8\x6a\x00\x00\x00\x00\x00") == "100000");
    CHECK(json(pg_type::float8, "1e+20") == "1e+20");
    CHECK(binary(pg_type::float8, "\x44\x15\xaf\x1d\x78\xb5\x8c\x40") == "1e+20");
    CHECK(json(pg_type::float8, "-0") == "-0");
    CHECK(json(pg_type::float8, "1.5e-07") == "1.5e-07");
    CHECK(json(pg_type::float4, "0.1") == "0.1");
    CHECK(binary(pg_type::float4, "\x3d\xcc\xcc\xcd") == "0.1");
    for (const auto *none : {"NaN", "Infinity", "-Infinity", "1e999", "", "1,5"})
        CHECK_MESSAGE(json(pg_type::float8, none) == "null", none);
    CHECK(binary(pg_type::float8, "\x7f\xf8\x00\x00\x00\x00\x00\x00") == "null");
    CHECK(binary(pg_type::float8, "\x7f\xf0\x00\x00\x00\x00\x00\x00") == "null");
    CHECK(binary(pg_type::float8, "\x3d\xcc\xcc\xcd") == "null");
}

TEST_CASE("a numeric is a number if it is a plain one") {
    CHECK(json(pg_type::numeric, "12345678901234567890.50") == "12345678901234567890.50");
    CHECK(json(pg_type::numeric, "-0.001") == "-0.001");
    CHECK(json(pg_type::numeric, "NaN") == R"("NaN")");
    CHECK(json(pg_type::numeric, "-Infinity") == R"("-Infinity")");
    CHECK(json(pg_type::numeric, "1" + repeat("0", 400)) == "\"1" + repeat("0", 400) + "\"");
}

TEST_CASE("times are RFC 3339, in both forms") {
    CHECK(json(pg_type::timestamp, "2026-01-02 03:04:05.5") == R"("2026-01-02T03:04:05.5Z")");
    CHECK(json(pg_type::timestamp, "2026-01-02 03:04:05") == R"("2026-01-02T03:04:05Z")");
    CHECK(json(pg_type::timestamptz, "2026-01-02 05:04:05.000001+02") == R"("2026-01-02T03:04:05.000001Z")");
    CHECK(binary(pg_type::timestamp, "\0\0\0\0\0\0\0\0") == R"("2000-01-01T00:00:00Z")");
    CHECK(binary(pg_type::timestamptz, "\xff\xff\xff\xff\xff\xff\xff\xff") ==
          R"("1999-12-31T23:59:59.999999Z")");
    for (const auto *none : {"infinity", "-infinity", "0044-03-15 00:00:00 BC", "10000-01-01 00:00:00"})
        CHECK_MESSAGE(json(pg_type::timestamp, none) == "null", none);
    CHECK(binary(pg_type::timestamp, "\x7f\xff\xff\xff\xff\xff\xff\xff") == "null");
    CHECK(binary(pg_type::timestamp, "\x70\x00\x00\x00\x00\x00\x00\x00") == "null"); // beyond the year 9999
}

TEST_CASE("json and jsonb are nested as they are") {
    CHECK(json(pg_type::jsonb, R"({"a": [1, null]})") == R"({"a": [1, null]})");
    CHECK(binary(pg_type::jsonb, "\1{\"a\": 1}") == R"({"a": 1})");
    CHECK(binary(pg_type::jsonb, "\2{}") == "null"); // a form that is not known
    CHECK(json(pg_type::json, "{\n\t\"a\" : 1\r\n}") == "{ \t\"a\" : 1  }");
    CHECK(json(pg_type::jsonb, "\"text\"") == "\"text\"");
    CHECK(json(pg_type::jsonb, "[1e400]") == R"(["1e400"])");
    CHECK(json(pg_type::jsonb, "{\"a\": 1") == R"("{\"a\": 1")");
    const auto deep = repeat("[", 201) + repeat("]", 201);
    CHECK(json(pg_type::jsonb, deep) == '"' + deep + '"');
    const auto less_deep = repeat("[", 200) + repeat("]", 200);
    CHECK(json(pg_type::jsonb, less_deep) == less_deep);
}

TEST_CASE("serialized text is nested, whether JSON or YAML") {
    CHECK(serialized(R"({"/tmp":{"kind":"tmp","capacity":1}})") == R"({"/tmp":{"kind":"tmp","capacity":1}})");
    CHECK(serialized("---\n- all\n") == R"(["all"])");
    CHECK(serialized("---\nvcpus: 1\nram: 2_000\nkeep: ~\n") == R"({"vcpus":1,"ram":2000,"keep":null})");
    CHECK(serialized("") == "null");
    CHECK(serialized("{\"a\": [") == R"("{\"a\": [")");
    CHECK(serialized("\tno YAML\n: either") == R"("\tno YAML\n: either")");
    const auto deep = repeat("[", 201) + repeat("]", 201);
    CHECK(serialized(deep) == '"' + deep + '"');
    CHECK(json(pg_type::text, "[1]") == R"("[1]")"); // only columns that are said to be
    CHECK(json(pg_type::text, "[1]", value_kind::binary, "mounts") == "[1]");
    CHECK(json(pg_type::jsonb, "---", value_kind::text, "mounts") == R"("---")");
}

TEST_CASE("other types are text") {
    constexpr std::uint32_t text_array = 1009, date = 1082;
    CHECK(json(text_array, R"({a,"b c"})") == R"("{a,\"b c\"}")");
    CHECK(json(date, "2026-01-02") == R"("2026-01-02")");
    CHECK(json(date, "\1\2\3\4", value_kind::binary) == "null");
    CHECK(json(pg_type::varchar, "a\"b\\c\n\x01") == R"("a\"b\\c\n\u0001")");
}

TEST_CASE("whatever is in the row, the record is valid UTF-8") {
    CHECK(json(pg_type::text, "a\xff\xc3") == "\"a\xef\xbf\xbd\xef\xbf\xbd\"");
    CHECK(json(pg_type::jsonb, "[\"\xff\"]") == "[\"\xef\xbf\xbd\"]");
    CHECK(json(pg_type::jsonb, R"(["\ud800"])") == "[\"\xef\xbf\xbd\"]");
    CHECK(serialized("- \"\xff\"\n").find('\xff') == std::string::npos);
}

TEST_CASE("an insert tells the record, a delete that there is none") {
    const auto image = image_of({named("uuid", pg_type::varchar, "u")});
    CHECK(change_of(record_change_type::insert, {}, image) ==
          R"({"type":"insert","record":{"uuid":"u"},"at":"2026-01-02T03:04:05.5Z"})");
    auto gone = image;
    follow(gone, {}, change_kind::remove);
    CHECK(change_of(record_change_type::remove, image, gone) ==
          R"({"type":"delete","record":null,"at":"2026-01-02T03:04:05.5Z"})");
    CHECK(change_of(record_change_type::remove, image, gone, projection(things, {"count"})) ==
          R"({"type":"delete","record":null,"at":"2026-01-02T03:04:05.5Z"})");
}

TEST_CASE("an update tells what was, if that is known") {
    const auto before =
        image_of({named("uuid", pg_type::varchar, "u"), named("state", pg_type::varchar, "Queued"),
                  named("count", pg_type::int4, "1"), named("more", pg_type::text, "", value_kind::null)});
    const auto after =
        image_of({named("uuid", pg_type::varchar, "u"), named("state", pg_type::varchar, "Locked"),
                  named("count", pg_type::int4, "1"), named("more", pg_type::text, "x")});
    const auto head =
        std::string(R"({"type":"update","record":{"uuid":"u","state":"Locked","count":1,"more":"x"})");
    const auto tail = std::string(R"(,"at":"2026-01-02T03:04:05.5Z"})");
    CHECK(change_of(update, before, after) ==
          head + R"(,"old":{"state":"Queued","more":null},"changed":["state","more"])" + tail);
    CHECK(change_of(update, {}, after) == head + tail);
    record_image absent;
    absent.set_absent();
    CHECK(change_of(update, absent, after) == head + tail);
    CHECK(change_of(update, after, after) == head + R"(,"old":{},"changed":[])" + tail);
}

TEST_CASE("an update that changes nothing in some columns is not told") {
    const auto before = image_of({named("uuid", pg_type::varchar, "u"), named("state", pg_type::text, "a"),
                                  named("count", pg_type::int4, "1")});
    const auto after = image_of({named("uuid", pg_type::varchar, "u"), named("state", pg_type::text, "b"),
                                 named("count", pg_type::int4, "1")});
    CHECK(change_of(update, before, after, projection(things, {"uuid", "count"})) == "nothing");
    CHECK(change_of(update, before, after, projection(things, {"uuid", "more"})) == "nothing");
    CHECK(change_of(update, before, after, projection(things, {"state"})) ==
          R"({"type":"update","record":{"state":"b"},"old":{"state":"a"},"changed":["state"],)"
          R"("at":"2026-01-02T03:04:05.5Z"})");
    // What was before is not known: it may have changed.
    CHECK(change_of(update, {}, after, projection(things, {"count"})) ==
          R"({"type":"update","record":{"count":1},"at":"2026-01-02T03:04:05.5Z"})");
}

TEST_CASE("a value of one form is the same in the other") {
    const auto as_text =
        image_of({named("state", pg_type::varchar, "a"), named("count", pg_type::int4, "7"),
                  named("mounts", pg_type::text, "---\na: 1\n"), named("more", pg_type::jsonb, "{}")});
    const auto as_binary = image_of({named("state", pg_type::text, "a", value_kind::binary),
                                     named("count", pg_type::int4, {"\0\0\0\7", 4}, value_kind::binary),
                                     named("mounts", pg_type::text, R"({"a":1})", value_kind::binary),
                                     named("more", pg_type::jsonb, "\1{}", value_kind::binary)});
    CHECK(record(as_text) == record(as_binary));
    CHECK(change_of(update, as_text, as_binary).find(R"("old":{},"changed":[])") != std::string::npos);
    CHECK(change_of(update, as_text, as_binary, projection(things, {"count", "mounts"})) == "nothing");
}

TEST_CASE("what an update left out is named, and is neither old nor changed") {
    record_image before;
    follow(before,
           {named("state", pg_type::text, "a"), named("mounts", pg_type::text, "", value_kind::unchanged)});
    auto after = before;
    follow(after,
           {named("state", pg_type::text, "b"), named("mounts", pg_type::text, "", value_kind::unchanged)},
           change_kind::update);
    CHECK(change_of(update, before, after) ==
          R"({"type":"update","record":{"state":"b"},"old":{"state":"a"},"changed":["state"],)"
          R"("unchanged":["mounts"],"at":"2026-01-02T03:04:05.5Z"})");
    CHECK(change_of(update, before, after, projection(things, {"mounts"})) == "nothing");
    CHECK(change_of(update, {}, after, projection(things, {"mounts"})) ==
          R"({"type":"update","record":{},"unchanged":["mounts"],"at":"2026-01-02T03:04:05.5Z"})");

    // It comes, and was not known before: it has been written, and what it was cannot be told.
    auto later = after;
    follow(later, {named("state", pg_type::text, "b"), named("mounts", pg_type::text, "{}")},
           change_kind::update);
    CHECK(change_of(update, after, later, projection(things, {"mounts"})) ==
          R"({"type":"update","record":{"mounts":{}},"old":{},"changed":["mounts"],)"
          R"("at":"2026-01-02T03:04:05.5Z"})");
    // Once known it stays, though updates leave it out.
    auto last = later;
    follow(last,
           {named("state", pg_type::text, "c"), named("mounts", pg_type::text, "", value_kind::unchanged)},
           change_kind::update);
    CHECK(record(last) == R"({"state":"c","mounts":{}})");
    CHECK(change_of(update, later, last).find("unchanged") == std::string::npos);
}

TEST_CASE("the time of a commit that cannot be written is null") {
    std::string made = "{";
    REQUIRE(encode_record_change(record_change_type::remove, {}, {}, projection(things),
                                 std::numeric_limits<std::int64_t>::max(), made));
    CHECK(made == R"({"type":"delete","record":null,"at":null})");
}
