// The topic grants/<user uuid>: what sessions are told of the judge's reports, in orders that no test of the
// whole can force.

#include "server/session/topic_hub.hpp"
#include "server/session/v1_session.hpp"
#include "tests/unit/session/hub_fixture.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <ostream>
#include <rapidjson/document.h>

namespace walcast {

namespace {

using text = std::optional<std::string>;
struct strings : std::vector<std::string> {
    using vector::vector;
    friend std::ostream &operator<<(std::ostream &into, const strings &all) {
        return into << fmt::format("{}", fmt::join(all, ", "));
    }
};
using finding = object_verdict::finding;

const std::string user = "zzzzz-tpzed-000000000000001";
const std::string project = "zzzzz-j7d0g-000000000000001";
constexpr reader_id reader{7}; // of the session's user, who is another one

const auto permissions = std::make_shared<relation>(
    1, "public", "materialized_permissions", 'f',
    std::vector<column>{
        {"user_uuid"}, {"target_uuid"}, {"perm_level", pg_type::int4}, {"traverse_owned", pg_type::boolean}});

/// Answers when it is told to; says what it was asked.
class asked_database : public test::table {
  public:
    grants_watch watch_grants(const uuid_text &of) override {
        CHECK(of.view() == user);
        return {std::make_shared<int>(), ++ticket};
    }
    std::shared_ptr<void> watch(reader_id one, const uuid_text &object) override {
        CHECK(one == reader);
        CHECK(managed_user(object).view() == user);
        ++watched;
        return std::make_shared<int>();
    }
    void read_records(std::vector<uuid_text>, std::function<void(record_rows)> then) override {
        ++questions;
        answers.push_back([then = std::move(then), end = log_end] {
            then({.primary = true, .seen = visibility(), .insert_lsn = end});
        });
    }
    std::uint64_t ticket = 0;
    int watched = 0, questions = 0;
};

class site {
  public:
    explicit site(bool administrator) {
        database.hub = &events;
        database.reader = reader;
        if (!administrator)
            database.who = principal{.user_uuid = "zzzzz-tpzed-000000000000002", .scopes = {"all"}};
        follow();
        connect();
    }

    void connect() {
        session.reset();
        out = std::make_unique<test::client>();
        session = std::make_shared<v1_session>(topics, *out, "token");
        session->start();
        database.answer();
        CHECK(take() == strings{"hello", "auth"});
    }
    void subscribe(const std::string &more = {}) {
        session->receive(R"({"op":"subscribe","id":"a","topic":"grants/)" + user + "\"" + more + "}");
    }

    // The transaction that comes next, and what is judged with it:
    site &row(const std::string &target, int before, int after) {
        open();
        builder_.add(before == 0  ? change_kind::insert
                     : after == 0 ? change_kind::remove
                                  : change_kind::update,
                     permissions);
        for (const auto &each : {user, target, std::to_string(before), std::string("t")})
            if (before != 0)
                builder_.add_old(value_kind::text, each);
        for (const auto &each : {user, target, std::to_string(after), std::string("t")})
            if (after != 0)
                builder_.add_new(value_kind::text, each);
        return *this;
    }
    site &report(std::size_t count, std::optional<reading_change> change = std::nullopt,
                 std::uint64_t ticket = 1'000, bool alone = true) {
        made_.grants.push_back({.transaction = transactions_,
                                .epoch = epoch,
                                .ticket = ticket,
                                .user = uuid_text(user),
                                .now = {.count = count, .all = false, .exists = exists, .alone = alone},
                                .change = std::move(change)});
        return *this;
    }
    site &gained(std::size_t count) { return report(count, reading_change{1, 0, {uuid_text(project)}, {}}); }
    site &verdict(finding is) {
        made_.objects.push_back({transactions_, reader, managers_key(user), is});
        return *this;
    }
    /// That the session's user may read.
    site &event(std::int64_t id, const std::string &type) {
        open();
        test::add_log_row(builder_, id, type);
        made_.events.push_back(std::make_shared<audience>(audience{.everyone = false, .readers = {reader}}));
        return *this;
    }
    void commit() {
        open();
        ++transactions_;
        last_commit_ = commit_;
        next_.transactions.push_back(builder_.finish(lsn{commit_ + 1}));
        follow();
    }
    /// Nothing is committed; what was judged meanwhile comes.
    void follow() {
        next_.decoded = lsn{commit_ + 1};
        next_.epoch = epoch;
        next_.ready = next_.exact = true;
        next_.origin = {.system_identifier = 1, .timeline = 1, .begins = lsn{1}};
        const auto next = std::exchange(next_, {});
        made_.transactions = transactions_;
        events.append(next, {}, 1);
        topics.append(next, std::exchange(made_, {}));
    }
    void settle() {
        do {
            database.answer();
            if (out->reading)
                out->take();
            if (std::exchange(out->wants_writable, false) && out->queued == 0)
                session->writable();
        } while (!database.answers.empty() || (out->wants_writable && out->reading));
    }

    /// What has been sent: its op, and for snapshots and changes the number in it.
    strings take() {
        strings made;
        for (const auto &each : std::exchange(out->got, {})) {
            rapidjson::Document message;
            message.Parse(each.c_str());
            REQUIRE_FALSE(message.HasParseError());
            std::string name = message["op"].GetString();
            if (message.HasMember("token"))
                token = message["token"].GetString();
            if (name == "snapshot" && message["record"].HasMember("count"))
                name += fmt::format(" {}", message["record"]["count"].GetUint64());
            if (name == "change" && message["id"] == "events")
                name += fmt::format(" {}", message["record"]["id"].GetInt64());
            else if (name == "change" && message["record"].HasMember("gained"))
                name += fmt::format(" +{}-{}", message["record"]["gained"].GetUint64(),
                                    message["record"]["lost"].GetUint64());
            for (const auto *key : {"reason", "code"})
                if (message.HasMember(key))
                    name += fmt::format(" {}", message[key].GetString());
            made.push_back(name);
        }
        return made;
    }

    std::uint64_t epoch = 1;
    bool exists = true;
    std::string token; ///< the last one
    asked_database database;
    prometheus::Registry registry;
    session_probe probe{registry};
    record_classes classes{
        {{.kind = "arvados#log", .infix = "57u5n", .table = "logs", .published = {"id", "uuid"}}}};
    token_seal seal{{{1, "a secret"}}};
    event_hub events{{1 << 20, std::int64_t{1} << 60},
                     {.outbox_bytes = 1'000,
                      .max_event_bytes = 1 << 20,
                      .max_subscriptions = 5,
                      .send_interval_us = 60'000'000},
                     database,
                     probe};
    topic_hub topics{events, classes, seal, database};
    std::unique_ptr<test::client> out;
    std::shared_ptr<v1_session> session;

    [[nodiscard]] std::uint64_t last_commit() const { return last_commit_; }

  private:
    void open() {
        if (!builder_.open())
            builder_.begin(static_cast<std::uint32_t>(transactions_ + 1), lsn{commit_ += 10}, 1);
    }

    std::uint64_t transactions_ = 0;
    std::uint64_t commit_ = 100, last_commit_ = 0;
    transaction_builder builder_;
    batch next_;
    judgement made_;
};

} // namespace

TEST_CASE("grants: the count when the judge has said it, then what each transaction changes") {
    site at(true);
    at.subscribe();
    CHECK(at.database.ticket == 1);
    CHECK(at.take() == strings{});
    at.report(4).follow();
    CHECK(at.take() == strings{"snapshot 4", "live"});
    at.gained(5).commit();
    at.commit();
    CHECK(at.take() == strings{"change +1-0"});

    SUBCASE("others are answered from memory") {
        at.session->receive(R"({"op":"subscribe","id":"b","topic":"grants/)" + user + "\"}");
        CHECK(at.take() == strings{"snapshot 5", "live"});
        CHECK(at.database.ticket == 1);
        at.gained(6).commit();
        CHECK(at.take() == strings{"change +1-0", "change +1-0"});
    }
    SUBCASE("what is nothing to the user is not told") {
        at.report(5, reading_change(), 1'000, false).commit();
        CHECK(at.take() == strings{});
    }
    SUBCASE("nobody is left") {
        at.session->receive(R"({"op":"unsubscribe","id":"a"})");
        CHECK(at.take() == strings{"end unsubscribed"});
        at.gained(6).commit();
        at.subscribe();
        CHECK(at.database.ticket == 2);
        CHECK(at.take() == strings{});
    }
    SUBCASE("a new epoch: only its own reports count") {
        at.report(9).follow();
        at.epoch = 2;
        at.follow();
        CHECK(at.take() == strings{"reset epoch"});
        at.epoch = 1;
        at.report(7);
        at.epoch = 2;
        at.commit();
        CHECK(at.take() == strings{});
        at.report(8).follow();
        CHECK(at.take() == strings{"snapshot 8", "live"});
    }
}

TEST_CASE("grants: an answer to somebody else, before, is none") {
    site at(true);
    at.database.ticket = 41;
    at.subscribe();
    at.report(4, std::nullopt, 41).follow();
    CHECK(at.take() == strings{});
    at.report(5, std::nullopt, 42).follow();
    CHECK(at.take() == strings{"snapshot 5", "live"});
}

TEST_CASE("grants: the answer comes with the transaction behind it") {
    site at(true);
    at.subscribe();
    at.report(4).gained(5).commit();
    CHECK(at.take() == strings{"snapshot 5", "live"});
    at.commit();
    CHECK(at.take() == strings{});
}

TEST_CASE("grants: who may see them") {
    site at(false);
    at.subscribe();
    CHECK(at.database.watched == 1);

    SUBCASE("who manages the user, until it does no more") {
        at.verdict(finding::readable).follow();
        CHECK(at.database.ticket == 1);
        at.report(4).follow();
        CHECK(at.take() == strings{"snapshot 4", "live"});
        at.verdict(finding::hidden).gained(5).commit();
        at.gained(6).commit();
        CHECK(at.take() == strings{"silenced permission"});
        at.verdict(finding::readable).gained(7).commit();
        CHECK(at.take() == strings{"restored", "snapshot 7", "live"});
    }
    SUBCASE("nobody else; the answer waits for the stream to come as far as the database is") {
        at.database.log_end = lsn{10'000};
        at.verdict(finding::hidden).follow();
        CHECK(at.database.questions == 1);
        at.settle();
        at.commit();
        CHECK(at.take() == strings{});
        SUBCASE("no") {
            while (at.last_commit() < 10'000)
                at.commit();
            CHECK(at.take() == strings{"error not_found"});
            CHECK(at.database.ticket == 0);
        }
        SUBCASE("yes, after all") {
            at.verdict(finding::readable).commit();
            at.report(3).follow();
            CHECK(at.take() == strings{"snapshot 3", "live"});
            while (at.last_commit() < 10'000)
                at.commit();
            CHECK(at.take() == strings{});
        }
    }
    SUBCASE("an administrator asks for a user that there is not") {
        site other(true);
        other.exists = false;
        other.subscribe();
        other.report(0).follow();
        CHECK(other.take() == strings{});
        other.settle();
        CHECK(other.take() == strings{"error not_found"});
    }
}

TEST_CASE("grants: a client that does not read gets each change once") {
    site at(true);
    at.subscribe();
    at.report(1).follow();
    CHECK(at.take().size() == 2);
    at.out->reading = false;
    for (std::size_t count = 2; count < 40; ++count)
        at.gained(count).commit();
    CHECK(at.out->queued < 2'000);
    at.out->reading = true;
    at.settle();
    CHECK(at.take() == strings(38, "change +1-0"));
    at.gained(40).commit();
    CHECK(at.take() == strings{"change +1-0"});
}

TEST_CASE("grants: what nobody was told of is worked out of the feed") {
    site at(true);
    at.commit();
    at.subscribe();
    at.report(1).follow();
    CHECK(at.take().size() == 2);
    const auto token = at.token;
    at.connect();
    at.row(project, 0, 1).commit();
    at.row(project, 1, 3).commit();
    at.row(project, 3, 0)
        .row("zzzzz-j7d0g-000000000000002", 0, 1)
        .row("zzzzz-j7d0g-000000000000003", 0, 2)
        .commit();
    at.row("zzzzz-j7d0g-000000000000002", 1, 0).row("zzzzz-j7d0g-000000000000002", 0, 1).commit();
    const auto resume = [&] {
        at.subscribe(fmt::format(R"(,"after":"{}")", token));
        CHECK(at.take() == strings{});
    };

    SUBCASE("each once, then what comes") {
        resume();
        at.report(3).follow();
        at.settle();
        CHECK(at.take() == strings{"change +1-0", "change +2-1", "live"});
        at.gained(4).commit();
        CHECK(at.take() == strings{"change +1-0"});
    }
    SUBCASE("unless the rows of another user count, too") {
        resume();
        at.report(3, std::nullopt, 1'000, false).follow();
        at.settle();
        CHECK(at.take() == strings{"reset expired", "snapshot 3", "live"});
    }
    SUBCASE("or did so in between") {
        at.row("zzzzz-tpzed-000000000000009", 0, 3).commit();
        at.row("zzzzz-tpzed-000000000000009", 3, 0).commit();
        resume();
        at.report(3).follow();
        at.settle();
        CHECK(at.take() == strings{"reset expired", "snapshot 3", "live"});
    }
}

TEST_CASE("a session without room, stopped amid a transaction, is sent the events of that transaction") {
    // The race: what is restored by a commit is due before that commit's events. Stopped there, the session
    // went on behind the commit, and had none of them.
    site at(false);
    at.subscribe();
    at.verdict(finding::readable).follow();
    at.report(4).follow();
    at.session->receive(R"({"op":"subscribe","id":"events","topic":"events","filters":[]})");
    at.settle();
    CHECK(at.take() == strings{"snapshot 4", "live", "live"});
    at.verdict(finding::hidden).event(1, "first").commit();
    CHECK(at.take() == strings{"silenced permission", "change 1"});
    at.out->reading = false;
    at.event(2, std::string(2'000, 'x')).commit(); // fills the outbox
    at.verdict(finding::readable).event(3, "third").commit();
    at.event(4, "fourth").commit();
    CHECK(at.take() == strings{});
    at.out->reading = true;
    at.settle();
    CHECK(at.take() == strings{"change 2", "restored", "snapshot 4", "live", "change 3", "change 4"});
}

TEST_CASE("an event whose row is a record that somebody follows is sent to who was behind, too") {
    site at(true);
    at.session->receive(R"({"op":"subscribe","id":"events","topic":"events","filters":[]})");
    CHECK(at.take() == strings{"live"});
    at.out->reading = false;
    at.event(1, std::string(2'000, 'x')).commit(); // fills the outbox
    // Of the row that comes next; the database has not answered yet.
    at.session->receive(R"({"op":"subscribe","id":"a","topic":"record/zzzzz-57u5n-000000000000001"})");
    at.event(2, "second").commit();
    at.event(3, "third").commit();
    at.out->reading = true;
    at.out->take();
    at.session->writable();
    auto told = at.take();
    std::erase_if(told, [](const std::string &one) { return !one.starts_with("change "); });
    CHECK(told == strings{"change 1", "change 2", "change 3"});
}

} // namespace walcast
