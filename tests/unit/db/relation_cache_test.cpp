#include "db/pgoutput_decoder.hpp"
#include "db/relation_cache.hpp"
#include "tests/support/pgoutput_builder.hpp"

#include <doctest/doctest.h>

using namespace walcast;

namespace {
/// The messages' bytes live as long as the test.
class described {
  public:
    explicit described(std::string bytes)
        : bytes_(std::move(bytes))
        , message_(std::get<pgoutput::relation>(*pgoutput_decoder().decode(bytes_))) {}
    operator const pgoutput::relation &() const { return message_; }

  private:
    std::string bytes_;
    pgoutput::relation message_;
};

const std::vector<pgout::col> two_columns{{"id", true, pg_type::int8}, {"name"}};
} // namespace

TEST_CASE("the same shape keeps the object, another makes a new one") {
    const described first(pgout::describe({}, 1, "t", two_columns));
    relation_cache cache;
    const auto known = cache.apply(first, 1);
    CHECK(known->name() == "t");
    CHECK(known->columns() == std::vector<column>{{"id", pg_type::int8, -1, true}, {"name"}});
    CHECK(cache.apply(first, 2) == known);
    CHECK(cache.find(1) == known);
    CHECK(cache.find(2) == nullptr);

    using columns = std::vector<pgout::col>;
    for (const auto &other :
         {pgout::describe({}, 1, "t", columns{{"id", true, pg_type::int8}, {"name"}, {"more"}}),
          pgout::describe({}, 1, "t", columns{{"id", true, pg_type::int8}}),
          pgout::describe({}, 1, "t", columns{{"id", true, pg_type::int8}, {"title"}}),
          pgout::describe({}, 1, "t",
                          columns{{"id", true, pg_type::int8}, {"name", false, pg_type::varchar}}),
          pgout::describe({}, 1, "t",
                          columns{{"id", true, pg_type::int8}, {"name", false, pg_type::text, 9}}),
          pgout::describe({}, 1, "t", columns{{"id", true, pg_type::int8}, {"name", true}}),
          pgout::describe({}, 1, "renamed", two_columns), pgout::describe({}, 1, "t", two_columns, 'f'),
          pgout::describe({}, 1, "t", two_columns, 'd', "elsewhere")}) {
        relation_cache another;
        const auto before = another.apply(first, 1);
        const described changed(other);
        const auto after = another.apply(changed, 2);
        CHECK(after != before);
        CHECK(after->id() != before->id());
        CHECK(another.find(1) == after);
    }
}

TEST_CASE("tables of pg_catalog come without a schema") {
    const described message(pgout::describe({}, 1, "pg_class", two_columns, 'n', ""));
    relation_cache cache;
    CHECK(cache.apply(message, 1)->schema() == "pg_catalog");
}

TEST_CASE("after a reconnect a table must be described again, and keeps its object when it is the same") {
    const described message(pgout::describe({}, 1, "t", two_columns));
    relation_cache cache;
    const auto known = cache.apply(message, 1);
    cache.begin_connection(2);
    CHECK(cache.find(1) == nullptr);
    CHECK(cache.apply(message, 2) == known);
    CHECK(cache.find(1) == known);
}

TEST_CASE("merging takes what arrived later and leaves what arrived earlier") {
    const described plain(pgout::describe({}, 1, "t", two_columns));
    const described altered(pgout::describe({}, 1, "t", {{"id", true, pg_type::int8}}));
    relation_cache known;
    const auto old_shape = known.apply(plain, 5);

    relation_cache earlier;
    earlier.apply(altered, 4, &known);
    known.merge(earlier);
    CHECK(known.find(1) == old_shape);

    relation_cache later;
    const auto new_shape = later.apply(altered, 6, &known);
    CHECK(new_shape != old_shape);
    known.merge(later);
    CHECK(known.find(1) == new_shape);

    relation_cache same;
    CHECK(same.apply(altered, 7, &known) == new_shape);
}
