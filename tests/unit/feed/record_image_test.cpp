#include "server/feed/record_image.hpp"

#include "server/feed/record_class.hpp"

#include <doctest/doctest.h>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using namespace walcast;

namespace {

using standing = record_image::standing;

relation_ptr shape(std::vector<column> columns) {
    return std::make_shared<relation>(1, "public", "t", 'd', std::move(columns));
}

const relation_ptr table = shape({{"id", pg_type::int8}, {"name"}, {"mounts"}});

constexpr const char *same = "unchanged";

/// A change of one row, as the test writes it: null, `same`, or the text.
transaction_ptr changed(change_kind kind, const relation_ptr &of, const std::vector<const char *> &values,
                        const std::vector<const char *> &old = {}) {
    transaction_builder builder;
    builder.begin(7, lsn{100}, 5);
    builder.add(kind, of);
    for (const auto *one : old)
        builder.add_old(value_kind::text, one);
    for (const auto *one : values)
        builder.add_new(one == nullptr ? value_kind::null
                        : one == same  ? value_kind::unchanged
                                       : value_kind::text,
                        one == nullptr || one == same ? "" : one);
    return builder.finish(lsn{120});
}

void follow(record_image &to, const transaction_ptr &what) {
    to.apply(*what, what->changes()[0]);
}

/// A column's text; `NULL`, `same`, or `absent`.
std::string text(const record_image &of, const char *name) {
    const auto read = of[of.table()->find(name)];
    return read.kind == value_kind::null        ? "NULL"
           : read.kind == value_kind::unchanged ? same
           : read.kind == value_kind::absent    ? "absent"
                                                : std::string(read.bytes);
}

} // namespace

TEST_CASE("an image begins with nothing") {
    const record_image image;
    CHECK(image.is() == standing::unknown);
    CHECK_FALSE(image.complete());
    CHECK(image.table() == nullptr);
    CHECK(image[0].kind == value_kind::absent);
    CHECK(image[-1].kind == value_kind::absent);
}

TEST_CASE("an insert is the row, and so is an update") {
    record_image image;
    follow(image, changed(change_kind::insert, table, {"1", "one", nullptr}));
    CHECK((image.is() == standing::present && image.complete()));
    CHECK((text(image, "id") == "1" && text(image, "name") == "one" && text(image, "mounts") == "NULL"));
    CHECK(image[3].kind == value_kind::absent);
    follow(image, changed(change_kind::update, table, {"1", "", "{}"}));
    CHECK((text(image, "name").empty() && text(image, "mounts") == "{}"));
}

TEST_CASE("what an update left out of line stays") {
    record_image image;
    follow(image, changed(change_kind::insert, table, {"1", "one", "long"}));
    follow(image, changed(change_kind::update, table, {"1", "two", same}));
    follow(image, changed(change_kind::update, table, {"1", "three", same}));
    CHECK((text(image, "name") == "three" && text(image, "mounts") == "long"));
    CHECK(image.complete());
}

TEST_CASE("it stays under its name when the table has another shape") {
    record_image image;
    follow(image, changed(change_kind::insert, table, {"1", "one", "long"}));
    const auto wider =
        shape({{"mounts", pg_type::varchar}, {"added"}, {"id", pg_type::int8}, {"name"}, {"more"}});
    follow(image, changed(change_kind::update, wider, {same, "x", "1", same, nullptr}));
    CHECK(image.table() == wider);
    CHECK((text(image, "mounts") == "long" && text(image, "name") == "one" && text(image, "added") == "x"));
    CHECK(image.complete());

    SUBCASE("a column that was not known before is a hole") {
        follow(image, changed(change_kind::update, shape({{"id", pg_type::int8}, {"new"}}), {"1", same}));
        CHECK(text(image, "new") == same);
        CHECK_FALSE(image.complete());
    }
    SUBCASE("and one that had values of another type") {
        const auto retyped = shape({{"id", pg_type::int8}, {"mounts", pg_type::jsonb}});
        follow(image, changed(change_kind::update, retyped, {"1", same}));
        CHECK(text(image, "mounts") == same);
        CHECK_FALSE(image.complete());
    }
}

TEST_CASE("an update of an unknown row leaves holes until they are filled") {
    record_image image;
    follow(image, changed(change_kind::update, table, {"1", same, same}));
    CHECK((image.is() == standing::present && !image.complete()));
    follow(image, changed(change_kind::update, table, {"1", "two", same}));
    CHECK((text(image, "name") == "two" && text(image, "mounts") == same && !image.complete()));
    follow(image, changed(change_kind::update, table, {"1", same, "{}"}));
    CHECK((text(image, "name") == "two" && text(image, "mounts") == "{}" && image.complete()));
}

TEST_CASE("a deleted row is known to be absent, and leaves nothing behind") {
    record_image image;
    follow(image, changed(change_kind::insert, table, {"1", "one", "long"}));
    follow(image, changed(change_kind::remove, table, {}, {"1"}));
    CHECK((image.is() == standing::absent && image.complete()));
    CHECK(image.table() == nullptr);
    CHECK(image[0].kind == value_kind::absent);
    follow(image, changed(change_kind::update, table, {"1", "again", same}));
    CHECK(text(image, "mounts") == same);
}

TEST_CASE("the old row, which comes with replica identity full, is not the image's") {
    record_image image;
    follow(image, changed(change_kind::update, table, {"2", "two", same}, {"1", "one", "old"}));
    CHECK((text(image, "id") == "2" && text(image, "name") == "two" && text(image, "mounts") == same));
    follow(image, changed(change_kind::remove, table, {}, {"2", "two", "old"}));
    CHECK(image.is() == standing::absent);
}

TEST_CASE("an image can be forgotten, or said to be absent") {
    record_image image;
    follow(image, changed(change_kind::insert, table, {"1", "one", "long"}));
    image.set_absent();
    CHECK((image.is() == standing::absent && image.table() == nullptr));
    follow(image, changed(change_kind::insert, table, {"1", "one", "long"}));
    image.forget();
    CHECK((image.is() == standing::unknown && !image.complete() && image.table() == nullptr));
}

TEST_CASE("copies are independent, and outlive the transactions") {
    record_image image;
    const std::string large(100'000, 'x');
    follow(image, changed(change_kind::insert, table, {"1", "one", large.c_str()}));
    CHECK(image.footprint() > large.size());
    auto copy = image;
    follow(image, changed(change_kind::update, table, {"1", "two", "short"}));
    CHECK((text(copy, "name") == "one" && text(copy, "mounts") == large));
    follow(copy, changed(change_kind::remove, table, {}, {"1"}));
    CHECK((text(image, "name") == "two" && text(image, "mounts") == "short"));
    CHECK((image.footprint() < 1000 && copy.footprint() < 1000));
}

TEST_CASE("classes are found by a uuid's middle part and by the table") {
    std::vector<record_class> all;
    all.push_back({.kind = "arvados#collection", .infix = "4zz18", .table = "collections"});
    all.push_back({.kind = "arvados#user", .infix = "tpzed", .table = "users"});
    const auto classes = record_classes(std::move(all));
    REQUIRE(classes.of_uuid("zzzzz-4zz18-bv31uwvy3neko21") != nullptr);
    CHECK(classes.of_uuid("zzzzz-4zz18-bv31uwvy3neko21")->table == "collections");
    CHECK(classes.of_uuid("zzzzz-tpzed-000000000000000") == classes.of_table("public", "users"));
    for (const auto *none :
         {"", "zzzzz-57u5n-bv31uwvy3neko21", "zzzzz-4zz18-bv31uwvy3neko2", "zzzzz-4zz18-bv31uwvy3neko211",
          "zzzzzz4zz18-bv31uwvy3neko21", "zzzzz-4zz18-bv31uwvy3ne'o21", "acbd18db4cc2f85cedef654fccc4a4d8+3"})
        CHECK_MESSAGE(classes.of_uuid(none) == nullptr, none);
    CHECK(classes.of_table("public", "logs") == nullptr);
    CHECK(classes.of_table("walcast", "users") == nullptr);
}
