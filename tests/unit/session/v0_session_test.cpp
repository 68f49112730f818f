#include "tests/unit/access/principal_changes.hpp"
#include "tests/unit/session/hub_fixture.hpp"

#include <doctest/doctest.h>

using namespace walcast;
using namespace walcast::test;

using ids = std::vector<std::int64_t>;
constexpr std::int64_t ok = -1; // a reply

TEST_CASE("an event that is committed while the token is being looked up is not missed") {
    site at;
    at.ready();
    auto one = at.join();
    one.session->receive(R"({"method":"subscribe"})");
    at.commit(1);
    one.out->take();
    CHECK(one.out->ids() == ids{ok}); // nothing before it is known who asks
    one.settle(at);
    at.commit(2);
    CHECK(one.out->ids() == ids{ok, 1, 2});
}

TEST_CASE("who may not read gets the same replies and no event") {
    site at;
    at.ready();
    at.database.who.reset();
    auto one = at.join();
    one.session->receive(R"({"method":"subscribe","last_log_id":1})");
    one.settle(at);
    at.commit(1);
    CHECK(one.out->ids() == ids{ok});
    CHECK(at.database.scans == 0);
}

TEST_CASE("an event is sent once however many subscriptions match") {
    site at;
    at.ready();
    auto one = at.join();
    for (int times = 0; times < 3; ++times)
        one.session->receive(R"({"method":"subscribe","filters":[["event_type","in",["update"]]]})");
    one.session->receive(R"({"method":"subscribe"})");
    one.settle(at);
    at.commit(1);
    at.commit(2, "create");
    CHECK(one.out->ids() == ids{ok, ok, ok, ok, 1, 2});
    one.session->receive(R"({"method":"unsubscribe"})");
    at.commit(3, "create");
    at.commit(4);
    one.out->take();
    CHECK(one.out->ids() == ids{ok, ok, ok, ok, 1, 2, ok, 4});
}

TEST_CASE("a replay goes on behind the event that it names, in commit order, whatever the ids") {
    site at;
    at.ready();
    for (const auto id : {5, 9, 7, 6, 8})
        at.commit(id);
    auto one = at.join();
    one.session->receive(R"({"method":"subscribe","last_log_id":9})");
    one.settle(at);
    at.commit(4);
    CHECK(one.out->ids() == ids{ok, 7, 6, 8, 4});
    CHECK(at.database.scans == 0);
}

TEST_CASE("what is older than the journal comes from the table, and nothing comes twice") {
    site at;
    for (const auto id : {1, 2, 3})
        at.database.rows.emplace_back(id, "update"); // committed before the relay was started
    at.ready();
    at.commit(4);
    auto one = at.join();
    one.session->receive(R"({"method":"subscribe","last_log_id":1})");
    one.settle(at);
    at.commit(5);
    CHECK(one.out->ids() == ids{ok, 2, 3, 4, 5});
}

TEST_CASE("a low id that committed after an older event is part of its replay") {
    site at;
    at.database.rows.emplace_back(10, "update");
    at.ready();
    at.commit(7); // took its id before 10 and committed after it
    auto one = at.join();
    one.session->receive(R"({"method":"subscribe","last_log_id":10})");
    one.settle(at);
    CHECK(one.out->ids() == ids{ok, 7});
}

TEST_CASE("a row that the table shows before the feed has it is sent once, in its place") {
    // The scan sees 3 and 4, which the source has not decoded. Sent from the scan they would come again from
    // the feed.
    site at;
    at.database.rows.emplace_back(1, "update");
    at.ready();
    at.commit(2);
    at.commit_unseen(4);
    at.commit_unseen(3);
    auto one = at.join();
    at.database.on_barrier = [&](lsn) { at.decode(); };
    one.session->receive(R"({"method":"subscribe","last_log_id":1})");
    one.settle(at);
    CHECK(one.out->ids() == ids{ok, 2, 4, 3});
}

TEST_CASE("an id that the client knows before the feed has it is where the replay goes on") {
    site at;
    at.ready();
    at.commit(1);
    at.commit_unseen(2);
    at.commit_unseen(3);
    auto one = at.join();
    at.database.on_barrier = [&](lsn) { at.decode(); };
    one.session->receive(R"({"method":"subscribe","last_log_id":2})");
    one.settle(at);
    CHECK(one.out->ids() == ids{ok, 3});
}

TEST_CASE("two subscriptions that resume at the same event share what they are owed") {
    site at;
    at.ready();
    at.commit(1);
    at.commit(2, "create");
    at.commit(3, "delete");
    at.commit(4, "create");
    auto one = at.join();
    one.session->receive(
        R"({"method":"subscribe","filters":[["event_type","in",["create"]]],"last_log_id":1})");
    one.settle(at);
    one.session->receive(R"({"method":"subscribe","last_log_id":1})");
    one.settle(at);
    at.commit(5, "create");
    CHECK(one.out->ids() == ids{ok, 2, 4, ok, 3, 5});
}

TEST_CASE("an id from the future replays nothing") {
    site at;
    at.ready();
    at.commit(1);
    auto one = at.join();
    one.session->receive(R"({"method":"subscribe","last_log_id":9000000000})");
    one.settle(at);
    at.commit(2);
    CHECK(one.out->ids() == ids{ok, 2});
}

TEST_CASE("what the feed was refilled with is not new to who did not ask for it") {
    site at;
    auto fresh = at.join();
    auto back = at.join();
    fresh.session->receive(R"({"method":"subscribe"})");
    back.session->receive(R"({"method":"subscribe","last_log_id":1})");
    fresh.settle(at);
    back.settle(at);
    batch refill;
    refill.transactions = {log_row(1, "update", lsn{10}), log_row(2, "update", lsn{20})};
    refill.decoded = lsn{21};
    at.hub.append(refill, {}, 1);
    at.ready();
    at.commit(3);
    fresh.settle(at);
    back.settle(at);
    CHECK(fresh.out->ids() == ids{ok, 3});
    CHECK(back.out->ids() == ids{ok, 2, 3});
}

TEST_CASE("a client that does not read costs its outbox and gets everything later, in order") {
    site at(std::size_t{1} << 14, 2048); // the feed forgets soon, too
    at.ready();
    auto slow = at.join();
    auto quick = at.join();
    slow.session->receive(R"({"method":"subscribe"})");
    quick.session->receive(R"({"method":"subscribe"})");
    slow.settle(at);
    quick.settle(at);
    slow.out->reading = false;
    ids all{ok};
    for (std::int64_t id = 1; id <= 300; ++id) {
        at.commit(id);
        all.push_back(id);
    }
    CHECK(quick.out->ids() == all);
    CHECK(slow.out->queued < 3072);
    slow.out->reading = true;
    slow.settle(at);
    at.commit(301);
    all.push_back(301);
    CHECK(slow.out->ids() == all);
    CHECK(at.database.reads > 0); // what the feed had dropped was read again
}

TEST_CASE("a table that cannot be read is not taken for an empty one by who is caught up") {
    site at(std::size_t{1} << 14, 2048);
    at.ready();
    auto slow = at.join();
    slow.session->receive(R"({"method":"subscribe"})");
    slow.settle(at);
    slow.out->reading = false;
    ids all{ok};
    for (std::int64_t id = 1; id <= 300; ++id) {
        at.commit(id);
        all.push_back(id);
    }
    at.database.failing = true;
    slow.out->reading = true;
    slow.settle(at);
    CHECK(at.database.reads == 1);
    for (std::int64_t second = 1; second <= 10; ++second) { // asked again after 1, 2 and 4 of them
        at.hub.tick(second * 1'000'000);
        slow.settle(at);
    }
    CHECK(at.database.reads == 4);
    at.database.failing = false;
    at.hub.tick(20'000'000);
    slow.settle(at);
    at.commit(301);
    all.push_back(301);
    CHECK(slow.out->ids() == all);
}

TEST_CASE("nor by a replay") {
    site at;
    at.database.rows = {{1, "update"}, {2, "update"}, {3, "update"}}; // committed before the journal began
    at.ready();
    at.database.failing = true;
    auto back = at.join();
    back.session->receive(R"({"method":"subscribe","last_log_id":1})");
    back.settle(at);
    at.commit(4);
    CHECK(back.out->ids() == ids{ok});
    at.database.failing = false;
    at.hub.tick(5'000'000);
    back.settle(at);
    at.commit(5);
    CHECK(back.out->ids() == ids{ok, 2, 3, 4, 5});
}

TEST_CASE("a token that is no longer good silences the session, and the connection stays") {
    site at;
    at.ready();
    at.database.who->expires_at = 500;
    auto one = at.join();
    one.session->receive(R"({"method":"subscribe"})");
    one.settle(at);
    at.commit(1);
    // By the time of the commit, not by that of the delivery
    at.hub.append(
        {.transactions = {log_row(2, "update", lsn{10'000}, 499), log_row(3, "update", lsn{10'002}, 500)},
         .decoded = lsn{10'003},
         .ready = true},
        {}, 1'000);
    CHECK(one.out->ids() == ids{ok, 1, 2});
    CHECK_FALSE(one.out->closed);
}

TEST_CASE("a session that is behind gets what was committed while its token lived, and no more") {
    site at;
    at.ready();
    at.database.who->token_id = 7;
    auto slow = at.join();
    slow.session->receive(R"({"method":"subscribe"})");
    slow.settle(at);
    slow.out->reading = false;
    ids owed{ok};
    for (std::int64_t id = 1; id <= 40; ++id) {
        at.commit(id);
        owed.push_back(id);
    }
    transaction_builder gone;
    gone.begin(2, lsn{1'000}, 1);
    add_delete(gone, token_table(), "7");
    at.hub.append({.transactions = {gone.finish(lsn{1'001})}, .decoded = lsn{1'001}, .ready = true}, {}, 1);
    for (std::int64_t id = 41; id <= 60; ++id)
        at.commit(id);
    CHECK(slow.out->queued < 8'192);
    slow.out->reading = true;
    slow.settle(at);
    at.commit(61);
    CHECK(slow.out->ids() == owed);
}

TEST_CASE("while nobody can say whether a token is good nothing is sent, and then nothing is missing") {
    site at;
    at.ready();
    at.database.given = verdict{};
    auto one = at.join();
    one.session->receive(R"({"method":"subscribe"})");
    one.settle(at);
    at.commit(1);
    at.hub.tick(2'000'000);
    one.settle(at);
    CHECK(one.out->ids() == ids{ok});
    at.database.given.reset();
    at.hub.tick(4'000'000);
    one.settle(at);
    at.commit(2);
    CHECK(one.out->ids() == ids{ok, 1, 2});
}

TEST_CASE("with a new slot tokens are looked up again before anything is sent") {
    site at;
    at.ready();
    auto one = at.join();
    one.session->receive(R"({"method":"subscribe"})");
    one.settle(at);
    at.commit(1);
    at.hub.append({.transactions = {log_row(2, "update", lsn{2'000})},
                   .decoded = lsn{2'001},
                   .epoch = 1,
                   .ready = true},
                  {}, 3);
    one.settle(at);
    CHECK(one.out->ids() == ids{ok, 1});
    at.hub.tick(2'000'000);
    one.settle(at);
    CHECK(at.database.lookups == 2);
    CHECK(one.out->ids() == ids{ok, 1, 2});
}

TEST_CASE("too many subscriptions are refused, the others stay") {
    site at;
    at.ready();
    auto one = at.join();
    for (int times = 0; times < 6; ++times)
        one.session->receive(R"({"method":"subscribe"})");
    one.settle(at);
    CHECK(one.out->got.back() == R"({"status":400})");
    at.commit(1);
    CHECK(one.out->ids().back() == 1);
}

TEST_CASE("a session that ends while an answer is under way is not called") {
    site at;
    at.ready();
    auto one = at.join();
    one.session->receive(R"({"method":"subscribe","last_log_id":1})");
    one.session.reset();
    at.database.answer();
    at.commit(1);
    CHECK(one.out->ids() == ids{ok});
}

// Users who are no administrators

namespace {
/// A user with sessions, and events that it may read or not.
struct readers {
    site at;
    readers() {
        at.ready();
        principal user;
        user.user_uuid = "zzzzz-tpzed-000000000000007";
        user.scopes = {"all"};
        at.database.who = user;
    }
    site::joined join(const char *request = R"({"method":"subscribe"})") {
        auto one = at.join();
        one.settle(at);
        one.session->receive(request);
        one.settle(at);
        return one;
    }
    void commit(std::int64_t id, bool readable) {
        at.readers = {audience_of(readable)};
        at.commit(id);
    }
    static audience_ptr audience_of(bool readable) {
        return std::make_shared<const audience>(audience{
            .everyone = false, .readers = readable ? std::vector{reader_id{7}} : std::vector<reader_id>()});
    }
    void judge(std::vector<bool> readable) {
        std::vector<audience_ptr> made;
        for (const bool one : readable)
            made.push_back(audience_of(one));
        at.hub.judged(made, 1);
    }
};
} // namespace

TEST_CASE("a user gets what it is in the audience of") {
    readers users;
    auto one = users.join();
    for (const auto id : {1, 2, 3, 4})
        users.commit(id, id % 2 == 0);
    one.settle(users.at);
    CHECK(one.out->ids() == ids{ok, 2, 4});
    CHECK(users.at.database.decisions == 0);
}

TEST_CASE("nothing is read from a client before it is known what it may read") {
    readers users;
    auto one = users.at.join();
    CHECK_FALSE(one.session->wants_input());
    one.settle(users.at);
    CHECK(one.session->wants_input());
}

TEST_CASE("a user waits for the judge, an administrator does not") {
    readers users;
    auto one = users.join();
    users.at.database.who = table::administrator();
    auto other = users.join();
    users.at.commit(1); // nobody has judged it
    users.at.commit(2);
    CHECK(one.out->ids() == ids{ok});
    CHECK(other.out->ids() == ids{ok, 1, 2});
    users.judge({true});
    CHECK(one.out->ids() == ids{ok, 1});
    users.judge({true});
    users.commit(3, true);
    CHECK(one.out->ids() == ids{ok, 1, 2, 3});
    CHECK(other.out->ids() == ids{ok, 1, 2, 3});
}

TEST_CASE("what a replay is owed and has not been judged comes when it has") {
    readers users;
    users.commit(1, true);
    users.at.commit(2); // in the journal, with the judge still at work
    auto one = users.join(R"({"method":"subscribe","last_log_id":1})");
    CHECK(one.out->ids() == ids{ok});
    users.judge({true});
    one.settle(users.at);
    CHECK(one.out->ids() == ids{ok, 2});
}

TEST_CASE("an administrator that is none any more when the past has been read waits for what it may read") {
    readers users;
    users.at.database.rows = {{1, "update"}, {2, "update"}}; // of before the journal
    auto &who = *users.at.database.who;
    who.is_admin = true;
    who.user_id = 7;
    auto one = users.at.join();
    auto &answers = users.at.database.answers;
    const auto next_answer = [&] {
        const auto given = std::move(answers.front());
        answers.erase(answers.begin());
        given();
    };
    next_answer(); // whom it speaks for
    one.session->receive(R"({"method":"subscribe","last_log_id":1})");
    REQUIRE(answers.size() == 2); // its grants, and a page of the table
    std::swap(answers[0], answers[1]);
    principal_change demoted;
    demoted.of = principal_change::subject::user;
    demoted.id = 7;
    demoted.uuid = who.user_uuid;
    demoted.is_admin = false;
    one.session->principal_changed(demoted, 1, users.at.hub.journal().end());
    next_answer();
    CHECK(users.at.database.decisions == 0); // for whom?
    CHECK(one.out->ids() == ids{ok});
    one.settle(users.at);
    CHECK(users.at.database.decisions == 1);
    CHECK(one.out->ids() == ids{ok, 2});
}

TEST_CASE("what is asked for from the past is decided by what may be read now") {
    for (const bool readable : {true, false}) {
        readers users;
        for (const auto id : {1, 2, 3})
            users.commit(id, !readable); // then it was otherwise
        users.at.database.readable = readable;
        auto one = users.join(R"({"method":"subscribe","last_log_id":1})");
        CHECK(one.out->ids() == (readable ? ids{ok, 2, 3} : ids{ok}));
        CHECK(users.at.database.decisions == 1);
        users.commit(4, true);
        CHECK(one.out->ids().back() == 4);
    }
}

TEST_CASE("a user that is behind gets what it might read at the commit") {
    readers users;
    auto one = users.join();
    one.out->reading = false;
    for (std::int64_t id = 1; id <= 40; ++id)
        users.commit(id, id <= 30);
    users.at.database.readable = false;
    one.out->reading = true;
    one.settle(users.at);
    CHECK(one.out->ids().size() == 31);
    CHECK(one.out->ids().back() == 30);
}
