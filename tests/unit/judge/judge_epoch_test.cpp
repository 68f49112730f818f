// The judge when the log goes back: a slot of another log, whose positions begin anew.

#include "server/judge/judge.hpp"

#include <doctest/doctest.h>
#include <string>
#include <utility>
#include <vector>

namespace walcast {

TEST_CASE("an answer with a position of the log that was before keeps nothing waiting") {
    std::vector<access_query> asked;
    std::vector<audience_ptr> judged;
    bool ready = false;
    judge one(reader_rules(true), {.ask = [&](access_query query) { asked.push_back(std::move(query)); },
                                   .judged =
                                       [&](const judgement &made) {
                                           judged.insert(judged.end(), made.events.begin(),
                                                         made.events.end());
                                       },
                                   .request_position = [](lsn) {},
                                   .ready = [&](reader_id) { ready = true; }});
    const auto answer_all = [&](lsn as_of) {
        while (!asked.empty()) {
            const auto query = asked.front();
            asked.erase(asked.begin());
            access_answer given{.number = query.number, .snapshot = "10:10:"};
            given.as_of = as_of;
            for (const auto &user : query.origins)
                given.origins.push_back({.user = user});
            one.answer(std::move(given), 1);
        }
    };
    const auto logs = std::make_shared<relation>(1, "public", "logs", 'd',
                                                 std::vector<column>{{"id", pg_type::int8},
                                                                     {"uuid"},
                                                                     {"object_uuid"},
                                                                     {"object_owner_uuid"},
                                                                     {"event_type"},
                                                                     {"event_at", pg_type::timestamp},
                                                                     {"created_at", pg_type::timestamp},
                                                                     {"properties"}});
    batch next;
    next.exact = next.ready = true;
    next.decoded = lsn{1'000};
    one.follow(next, 1);
    (void)one.add_reader(uuid_text("zzzzz-tpzed-000000000000001"));
    answer_all(lsn{1'000});
    REQUIRE(ready);

    transaction_builder builder;
    builder.begin(1, lsn{1'005}, 1);
    builder.add(change_kind::insert, logs);
    const std::string then = "2020-01-01 00:00:00", object = "zzzzz-4zz18-000000000000001";
    for (const auto &text : {std::string("1"), std::string("zzzzz-57u5n-000000000000001"), object, object,
                             std::string("update"), then, then, std::string("{}")})
        builder.add_new(value_kind::text, text);
    next.transactions.push_back(builder.finish(lsn{1'010}));
    next.decoded = lsn{1'010};
    one.follow(next, 1);
    answer_all(lsn{2'000}); // it is ahead of the stream
    CHECK(judged.empty());

    batch anew;
    anew.exact = anew.ready = true;
    anew.epoch = 1;
    anew.decoded = lsn{10};
    one.follow(anew, 1);
    one.tick(2);
    answer_all(lsn{10});
    CHECK(judged.size() == 1);
    CHECK(one.backlog_bytes() == 0);
}

} // namespace walcast
