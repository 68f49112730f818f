#include "server/feed/transaction.hpp"

#include <doctest/doctest.h>

using namespace walcast;

namespace {
relation_ptr some_table() {
    return std::make_shared<relation>(1, "public", "t", 'd',
                                      std::vector<column>{{"id", pg_type::int8}, {"name"}});
}
} // namespace

TEST_CASE("a transaction gives back what was put in") {
    const auto table = some_table();
    transaction_builder builder;
    builder.begin(7, lsn{100}, 5);
    builder.add(change_kind::update, table);
    builder.add_old(value_kind::text, "1");
    builder.add_old(value_kind::null);
    builder.add_new(value_kind::text, "1");
    builder.add_new(value_kind::text, "two");
    builder.add_message("walcast", "hello");
    const auto made = builder.finish(lsn{120});

    REQUIRE(made->changes().size() == 2);
    const auto &update = made->changes()[0];
    CHECK(update.table == table.get());
    CHECK(made->new_row(update)[1].bytes == "two");
    CHECK(made->old_row(update)[1].kind == value_kind::null);
    CHECK(made->new_row(update)[2].kind == value_kind::absent);
    CHECK(made->new_row(update)[-1].kind == value_kind::absent);
    const auto &message = made->changes()[1];
    CHECK(message.table == nullptr);
    CHECK(made->message_prefix(message) == "walcast");
    CHECK(made->message_content(message) == "hello");
    CHECK(made->position_of(message) == position{lsn{100}, 1});
    CHECK(made->last());
    CHECK_FALSE(builder.open());
}

TEST_CASE("segments share a position and go on counting") {
    const auto table = some_table();
    transaction_builder builder;
    builder.begin(7, lsn{100}, 5);
    builder.add(change_kind::insert, table);
    builder.add_new(value_kind::text, "1");
    const auto first = builder.cut();
    builder.add(change_kind::insert, table);
    builder.add_new(value_kind::text, "2");
    const auto second = builder.finish(lsn{120});

    CHECK_FALSE(first->last());
    CHECK(second->last());
    CHECK(second->commit() == first->commit());
    CHECK(second->changes()[0].index == 1);
    CHECK(second->new_row(second->changes()[0])[0].bytes == "2");
}
