#include "server/protocol/event.hpp"

#include "tests/unit/protocol/support.hpp"

#include <doctest/doctest.h>

using namespace walcast;
using namespace walcast::test;

namespace {
event_problem problem_of(const logs_row &row) {
    event_reader reader;
    event read;
    const auto made = insert(row, logs_table());
    return reader.read(*made, made->changes()[0], read);
}
} // namespace

TEST_CASE("an inserted row of logs is an event, in any schema") {
    event_reader reader;
    const auto made = insert({.id = "4711"}, logs_table("arvados"));
    event read;
    REQUIRE(reader.read(*made, made->changes()[0], read) == event_problem::none);
    CHECK(read.id == log_id{4711});
    CHECK(read.uuid == "zzzzz-57u5n-000000000000001");
    CHECK(read.object_uuid == "zzzzz-4zz18-bv31uwvy3neko21");
    CHECK(read.object_owner_uuid == "zzzzz-j7d0g-v955i6s2oi1cbso");
    CHECK(read.event_type == "update");
    CHECK(read.event_at == 1'767'323'045'678'901);
    CHECK(read.created_at == 1'767'323'046'000'000);
    CHECK(read.properties.starts_with("{\"old_attributes\""));
}

TEST_CASE("nulls that clients are sent as empty, and nulls that cannot be sent") {
    event_reader reader;
    const auto made = insert({.event_type = {}, .object_owner_uuid = {}, .properties = {}}, logs_table());
    event read;
    REQUIRE(reader.read(*made, made->changes()[0], read) == event_problem::none);
    CHECK(read.event_type == "");
    CHECK(read.object_owner_uuid == "");
    CHECK(read.properties == "");

    CHECK(problem_of({.id = {}}) == event_problem::no_id);
    CHECK(problem_of({.id = "x"}) == event_problem::no_id);
    CHECK(problem_of({.uuid = {}}) == event_problem::no_uuid);
    CHECK(problem_of({.object_uuid = {}}) == event_problem::no_object_uuid);
    for (const field &time :
         {field{}, field{"infinity"}, field{"12026-01-01 00:00:00"}, field{"0044-03-15 00:00:00 BC"}})
        CHECK(problem_of({.event_at = time}) == event_problem::no_event_at);
    CHECK(problem_of({.event_at = "9999-12-31 23:59:59.999999"}) == event_problem::none);
    CHECK(to_string(event_problem::no_object_uuid) == "no_object_uuid");
}

TEST_CASE("other tables and other changes are no events") {
    event_reader reader;
    event read;
    const auto other =
        std::make_shared<relation>(2, "public", "users", 'd', std::vector<column>{{"id", pg_type::int8}});
    transaction_builder builder;
    builder.begin(7, lsn{100}, 5);
    builder.add(change_kind::insert, other);
    builder.add_new(value_kind::text, "1");
    builder.add(change_kind::remove, logs_table());
    builder.add_old(value_kind::text, "1");
    builder.add(change_kind::truncate, logs_table());
    builder.add_message("walcast", "x");
    const auto made = builder.finish(lsn{120});
    for (const auto &change : made->changes())
        CHECK(reader.read(*made, change, read) == event_problem::not_an_event);
}

TEST_CASE("the table may change its shape while it is read") {
    event_reader reader;
    event read;
    const auto before = insert({.id = "1"}, logs_table());
    REQUIRE(reader.read(*before, before->changes()[0], read) == event_problem::none);

    const auto after = std::make_shared<relation>(16'500, "public", "logs", 'd',
                                                  std::vector<column>{{"event_at", pg_type::timestamptz},
                                                                      {"object_uuid"},
                                                                      {"uuid"},
                                                                      {"id", pg_type::int4},
                                                                      {"event_type"},
                                                                      {"object_owner_uuid"},
                                                                      {"properties", pg_type::jsonb}});
    transaction_builder builder;
    for (int again = 0; again < 2; ++again) {
        builder.begin(7, lsn{100}, 5);
        builder.add(change_kind::insert, after);
        for (const auto *text : {"2026-01-02 04:04:05+01", "object", "own", "2", "update", "owner", "{}"})
            builder.add_new(value_kind::text, text);
        const auto made = builder.finish(lsn{120});
        REQUIRE(reader.read(*made, made->changes()[0], read) == event_problem::none);
        CHECK(read.id == log_id{2});
        CHECK(read.object_uuid == "object");
        CHECK(read.uuid == "own");
        CHECK(read.event_type == "update");
        CHECK(read.created_at == read.event_at);
    }
}

TEST_CASE("without a column, or with one of a type that is no text, nothing is sent") {
    event_reader reader;
    event read;
    const auto whole = logs_table();
    for (const auto &spoilt : whole->columns()) {
        CAPTURE(spoilt.name);
        for (const bool gone : {true, false}) {
            transaction_builder builder;
            auto columns = whole->columns();
            for (auto &one : columns)
                if (one.name == spoilt.name)
                    gone ? void(one.name = "renamed") : void(one.type = pg_type::float8);
            builder.begin(7, lsn{100}, 5);
            builder.add(change_kind::insert,
                        std::make_shared<relation>(1, "public", "logs", 'd', std::move(columns)));
            for (const auto &one : whole->columns())
                builder.add_new(one.name == spoilt.name ? value_kind::binary : value_kind::text,
                                one.name == "id"            ? "12345678"
                                : one.name.ends_with("_at") ? "20260102"
                                                            : "12345678");
            const auto made = builder.finish(lsn{120});
            const auto problem = reader.read(*made, made->changes()[0], read);
            if (spoilt.name == "summary" || spoilt.name == "created_at")
                continue;
            CHECK(problem != event_problem::none);
            CHECK((problem == event_problem::no_column || !gone));
        }
    }
}

TEST_CASE("a reader lives through more table shapes than it remembers") {
    event_reader reader;
    event read;
    const auto first = logs_table();
    for (int shape = 0; shape < 3000; ++shape) {
        const auto made = insert({.id = std::to_string(shape)}, shape % 3 == 0 ? first : logs_table());
        REQUIRE(reader.read(*made, made->changes()[0], read) == event_problem::none);
        REQUIRE(read.id == log_id{shape});
    }
}
