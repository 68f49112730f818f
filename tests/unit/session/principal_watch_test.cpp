// The race of a look-up with the stream, and who is told what.

#include "server/session/principal_history.hpp"
#include "server/session/principal_watch.hpp"
#include "tests/unit/access/principal_changes.hpp"

#include <doctest/doctest.h>
#include <string>
#include <vector>

using namespace walcast;
using namespace walcast::test;

namespace {

constexpr std::int64_t second = 1'000'000;

principal someone(std::int64_t token_id = 7) {
    principal who;
    who.user_uuid = "zzzzz-tpzed-000000000000001";
    who.token_uuid = "zzzzz-gj3su-000000000000001";
    who.is_admin = true;
    who.scopes = {"all"};
    who.token_id = token_id;
    who.user_id = 3;
    return who;
}

struct listener : principal_watch::listener {
    std::vector<std::uint64_t> told; ///< from which entry
    void principal_changed(const principal_change &, std::int64_t, std::uint64_t from) override {
        told.push_back(from);
    }
};

verdict answer(const std::string &snapshot, std::int64_t asked_at_us = 0) {
    verdict made{.is = verdict::finding::valid, .who = someone(), .asked_at_us = asked_at_us};
    made.seen = visibility::parse(snapshot);
    return made;
}

void delete_token(principal_watch &watch, std::uint32_t xid, std::int64_t now_us, int rows = 1,
                  int first = 7) {
    transaction_builder builder;
    builder.begin(xid, lsn{xid}, now_us);
    for (int row = 0; row < rows; ++row)
        add_delete(builder, token_table(), std::to_string(first + row));
    watch.read(*builder.finish(lsn{xid + 1}));
    watch.complete(1, now_us);
}

} // namespace

TEST_CASE("nobody is told before the transaction is complete, and then only those concerned") {
    principal_watch watch;
    listener one, other;
    watch.watch(one, someone());
    watch.watch(other, someone(8));
    transaction_builder builder;
    builder.begin(5, lsn{10}, 0);
    add_delete(builder, token_table(), "7");
    watch.read(*builder.cut());
    CHECK(one.told.empty());
    add_delete(builder, token_table(), "9");
    watch.read(*builder.finish(lsn{11}));
    CHECK(watch.complete(42, 0));
    CHECK(one.told == std::vector<std::uint64_t>{42});
    CHECK(other.told.empty());
    watch.unwatch(one);
    delete_token(watch, 6, 0);
    CHECK(one.told.size() == 1);
}

TEST_CASE("a delete that was decoded before the look-up that still saw the row") {
    principal_watch watch;
    delete_token(watch, 100, 0);
    auto late = answer("100:101:100"); // 100 has committed, and is not visible yet
    CHECK(watch.bring_up_to_date(late, second));
    CHECK_FALSE(late.who.exists);
    auto seen =
        answer("101:101:"); // another token with the row's number is not thinkable, but shows the rule
    CHECK(watch.bring_up_to_date(seen, second));
    CHECK(seen.who.exists);
}

TEST_CASE("what no snapshot has seen is remembered however long it takes") {
    principal_watch watch;
    delete_token(watch, 100, 0);
    for (std::uint32_t xid = 101; xid < 120; ++xid)
        delete_token(watch, xid, xid * 10 * second, 1, 1000);
    auto late = answer("100:120:100", 1195 * second);
    CHECK(watch.bring_up_to_date(late, 1200 * second));
    CHECK_FALSE(late.who.exists);
}

TEST_CASE("seen by a snapshot and a minute old, it is forgotten") {
    principal_watch watch;
    delete_token(watch, 100, 0);
    auto seen = answer("101:101:", 90 * second);
    CHECK(watch.bring_up_to_date(seen, 90 * second));
    CHECK(watch.remembered() == 1);
    delete_token(watch, 101, 100 * second, 1, 1000);
    CHECK(watch.remembered() == 1); // the newer one
}

TEST_CASE("an answer is in doubt: from before a hole, too old, or blind to what was too much to remember") {
    principal_watch watch;
    watch.begin_anew(10 * second);
    auto before = answer("1:1:", 9 * second);
    CHECK_FALSE(watch.bring_up_to_date(before, 11 * second));
    auto old = answer("1:1:", 11 * second);
    CHECK_FALSE(watch.bring_up_to_date(old, 120 * second));
    delete_token(watch, 100, 120 * second, static_cast<int>(principal_watch::most_changes) + 1, 1000);
    CHECK(watch.remembered() == 0);
    auto blind = answer("100:101:100", 121 * second);
    CHECK_FALSE(watch.bring_up_to_date(blind, 121 * second));
    auto fine = answer("101:101:", 121 * second);
    CHECK(watch.bring_up_to_date(fine, 121 * second));
    auto of_the_configuration = verdict::always(someone(0));
    CHECK(watch.bring_up_to_date(of_the_configuration, 999 * second));
}

TEST_CASE("what a session stands for, by the journal entry") {
    principal_history history;
    CHECK_FALSE(history.now().known);
    CHECK(history.known_until() == 0);
    history.set(50, someone());
    CHECK(history.at(3).who); // what was unknown is known from where it was unknown
    history.set(60, std::nullopt);
    CHECK(history.at(59).who);
    CHECK_FALSE(history.at(60).who);
    CHECK(history.any_from(59, [](const principal &) { return true; }));
    CHECK_FALSE(history.any_from(60, [](const principal &) { return true; }));
    history.doubt(70);
    CHECK(history.known_until() == 70);
    CHECK(history.at(69).known);
    CHECK_FALSE(history.at(70).known);
    history.set(90, someone());
    CHECK(history.at(70).who);
    history.forget_before(70);
    CHECK(history.at(1).who); // forgotten: nobody asks any more
    for (std::uint64_t number = 100; number < 300; ++number)
        history.set(number, someone(static_cast<std::int64_t>(number)));
    CHECK_FALSE(history.at(100).who);
    CHECK(history.at(299).who->token_id == 299);
}
