// The judge behind a listener, which brings rows of `logs` alone: what it has to ask for, and that neither
// events nor questions about the past keep anybody waiting who could be told.

#include "server/judge/judge.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace walcast {

namespace {

constexpr std::int64_t second_us = 1'000'000;

std::string uuid(const char *part, unsigned number) {
    return fmt::format("zzzzz-{}-{:015d}", part, number);
}

const std::string project = uuid("j7d0g", 1);

/// The judge, and a database in which every object exists in one project, which every user may read.
class listening {
  public:
    listening()
        : logs_(std::make_shared<relation>(1, "public", "logs", 'd',
                                           std::vector<column>{{"id", pg_type::int8},
                                                               {"uuid"},
                                                               {"object_uuid"},
                                                               {"object_owner_uuid"},
                                                               {"event_type"},
                                                               {"event_at", pg_type::timestamp},
                                                               {"created_at", pg_type::timestamp},
                                                               {"properties"}}))
        , judge_(reader_rules(true),
                 {.ask = [this](access_query query) { asked_.push_back(std::move(query)); },
                  .judged =
                      [this](const judgement &made) {
                          judged.insert(judged.end(), made.events.begin(), made.events.end());
                      },
                  .request_position = [](lsn) {},
                  .ready = [this](reader_id who) { ready.insert(who); }}) {
        judge_.follow({}, now_);
    }

    reader_id join(unsigned user) { return judge_.add_reader(uuid_text(uuid("tpzed", user))); }
    reader_id join_ready(unsigned user) {
        const auto who = join(user);
        answer_all();
        CHECK(ready.contains(who));
        return who;
    }

    /// One batch, each of whose transactions has one event.
    void write(const std::vector<std::pair<std::string, std::string>> &events) {
        batch next;
        next.ready = true;
        for (const auto &[type, object] : events) {
            transaction_builder builder;
            builder.begin(0, lsn{++position_}, now_);
            builder.add(change_kind::insert, logs_);
            const std::string then = "2020-01-01 00:00:00";
            for (const auto &text : {std::to_string(position_), uuid("57u5n", 1), object, project, type, then,
                                     then, std::string("{}")})
                builder.add_new(value_kind::text, text);
            next.transactions.push_back(builder.finish(lsn{position_}));
        }
        next.decoded = lsn{position_};
        judge_.follow(next, now_);
    }

    /// Answers the oldest question, or the oldest that is not about the rows of this user.
    bool answer(unsigned except = 0) {
        const uuid_text held(uuid("tpzed", except));
        const auto found = std::find_if(asked_.begin(), asked_.end(), [&](const access_query &one) {
            return std::find(one.origins.begin(), one.origins.end(), held) == one.origins.end();
        });
        if (found == asked_.end())
            return false;
        const auto query = *found;
        asked_.erase(found);
        ++answers;
        access_answer given{.number = query.number};
        given.as_of = lsn{1'000'000};
        for (const auto &one : query.origins)
            given.origins.push_back(
                {.user = one, .targets = {{one, grant{3, true}}, {uuid_text(project), grant{1, true}}}});
        for (const auto &one : query.objects) {
            object_facts facts;
            facts.exists = true;
            facts.owner = uuid_text(project);
            facts.trash_at = object_facts::never;
            facts.current = true;
            if (class_of(one.view()) == object_class::workflow)
                facts.linked = uuid_text(uuid("4zz18", 99));
            given.objects.emplace_back(one, facts);
        }
        judge_.answer(std::move(given), now_);
        return true;
    }
    void answer_all() {
        while (answer()) {
        }
    }

    void decide(reader_id who, const std::string &object) {
        judge_.decide({who, {uuid_text(object)}, [this](const std::vector<bool> &found) { told = found; }},
                      now_);
    }
    void pass_second() {
        now_ += second_us;
        judge_.tick(now_);
    }

    std::vector<audience_ptr> judged;
    std::set<reader_id> ready;
    std::vector<bool> told; ///< the answer to the last question that got one
    std::size_t answers = 0;

  private:
    relation_ptr logs_;
    std::uint64_t position_ = 1'000;
    std::int64_t now_ = 1'700'000'000 * second_us;
    std::vector<access_query> asked_;
    judge judge_;
};

} // namespace

TEST_CASE("a listener's backlog is judged with as few questions as one event") {
    listening run;
    const auto who = run.join_ready(1);
    run.answers = 0;
    for (unsigned number = 0; number < 20; ++number) {
        std::vector<std::pair<std::string, std::string>> events;
        for (unsigned each = 0; each < 10; ++each)
            events.emplace_back("update", uuid("j7d0g", 1));
        run.write(events);
    }
    run.answer_all();
    REQUIRE(run.judged.size() == 200);
    CHECK(run.judged.back()->has(who));
    // Two turns: of the first batch, and of those that came meanwhile.
    CHECK(run.answers <= 6);
}

TEST_CASE("a question is decided although events keep coming to a listener") {
    listening run;
    const auto who = run.join_ready(1);
    run.write({{"update", uuid("4zz18", 1)}});
    run.decide(who, uuid("7fd4e", 1)); // which takes two questions
    for (unsigned number = 2; number < 20 && run.told.empty(); ++number) {
        run.write({{"update", uuid("4zz18", number)}});
        run.answer();
    }
    CHECK(run.told == std::vector{true});
}

TEST_CASE("events are judged although questions keep coming to a listener") {
    listening run;
    const auto who = run.join_ready(1);
    run.decide(who, uuid("7fd4e", 1));
    run.write({{"update", uuid("7fd4e", 1)}});
    for (unsigned number = 2; number < 20 && run.judged.empty(); ++number) {
        run.decide(who, uuid("7fd4e", 1));
        run.answer();
    }
    REQUIRE(run.judged.size() == 1);
    CHECK(run.judged.front()->has(who));
}

TEST_CASE("of a listener's events each is judged by what is read, whatever else has come with it") {
    listening run;
    const auto who = run.join_ready(1);
    run.write({{"update", uuid("4zz18", 1)}, {"create", uuid("4zz18", 2)}, {"create", uuid("4zz18", 3)}});
    run.answer_all();
    REQUIRE(run.judged.size() == 3);
    for (const auto &readers : run.judged)
        CHECK(readers->has(who));
}

TEST_CASE("a user whose rows take long to read becomes ready although permissions keep changing") {
    listening run;
    run.join_ready(1);
    const auto slow = run.join(2);
    for (unsigned number = 0; number < 10; ++number) {
        run.write({{"update", uuid("o0j2j", number)}});
        while (run.answer(2)) {
        }
        run.pass_second();
    }
    run.answer(); // the first question about that user
    CHECK(run.ready.contains(slow));
    run.answer_all();
    CHECK(run.judged.size() == 10);
}

} // namespace walcast
