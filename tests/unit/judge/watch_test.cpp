// Watched objects, one situation after the other; the model in judge_test.cpp plays them at random.

#include "server/judge/judge.hpp"

#include "tests/unit/judge/stream_writer.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace walcast {

namespace {

using text = std::optional<std::string>;
using finding = object_verdict::finding;

constexpr std::int64_t start_us = 1'700'000'000'000'000; // 2023-11-14 22:13:20
constexpr const char *in_a_minute = "2023-11-14 22:14:20";
constexpr std::int64_t minute_us = 60'000'000;

std::string user(unsigned number) {
    return fmt::format("zzzzz-tpzed-{:015d}", number);
}
std::string group(unsigned number) {
    return fmt::format("zzzzz-j7d0g-{:015d}", number);
}
std::string collection(unsigned number) {
    return fmt::format("zzzzz-4zz18-{:015d}", number);
}
std::string request(unsigned number) {
    return fmt::format("zzzzz-xvhdp-{:015d}", number);
}
std::string container(unsigned number) {
    return fmt::format("zzzzz-dz642-{:015d}", number);
}

relation_ptr table(const char *name, std::vector<column> columns, char identity = 'd') {
    static std::uint32_t last = 100;
    return std::make_shared<relation>(++last, "public", name, identity, std::move(columns));
}

const auto permissions = table(
    "materialized_permissions",
    {{"user_uuid"}, {"target_uuid"}, {"perm_level", pg_type::int4}, {"traverse_owned", pg_type::boolean}},
    'f');
const auto trashed = table("trashed_groups", {{"group_uuid"}, {"trash_at", pg_type::timestamp}}, 'f');
const auto frozen = table("frozen_groups", {{"uuid"}}, 'f');
const auto collections = table("collections", {{"id", pg_type::int8},
                                               {"uuid"},
                                               {"owner_uuid"},
                                               {"trash_at", pg_type::timestamp},
                                               {"current_version_uuid"}});
const auto requests =
    table("container_requests", {{"id", pg_type::int8}, {"uuid"}, {"owner_uuid"}, {"container_uuid"}});
const auto users = table("users", {{"id", pg_type::int8},
                                   {"uuid"},
                                   {"owner_uuid"},
                                   {"is_active", pg_type::boolean},
                                   {"is_admin", pg_type::boolean},
                                   {"redirect_to_user_uuid"}});

/// A verdict, but for the object.
struct said {
    std::uint64_t transaction;
    reader_id who;
    finding is;
    bool operator==(const said &) const = default;
};

/// A database in which user 1 reads group 1, collection 1 belongs to group 1, and request 1, of group 1, is
/// for container 1.
class site : public testing::stream_writer {
  public:
    site()
        : judge_(reader_rules(true),
                 {.ask = [this](access_query query) { asked.push_back(std::move(query)); },
                  .judged =
                      [this](judgement made) {
                          judged = made.transactions;
                          for (const auto &one : made.objects)
                              said_[std::string(one.object.view())].push_back(
                                  {one.transaction, one.who, one.is});
                      },
                  .request_position = [](lsn) {},
                  .ready = [this](reader_id who) { ready.insert(who); }}) {
        now = start_us;
        grants[{user(1), user(1)}] = {3, true};
        grants[{user(2), user(2)}] = {3, true};
        grants[{user(1), group(1)}] = {1, true};
        for (const unsigned number : {1U, 2U})
            put(user(number), user(9));
        put(group(1), user(2));
        put(collection(1), group(1));
        put(request(1), group(1), container(1));
        follow();
    }

    object_facts &put(const std::string &uuid, const std::string &owner, const std::string &linked = {}) {
        auto &one = objects[uuid];
        one.exists = one.active = true;
        one.row_id = one.row_id != 0 ? one.row_id : ++last_row_;
        one.owner = uuid_text(owner);
        one.linked = uuid_text(linked);
        return one;
    }

    reader_id join(unsigned number) {
        const auto who = judge_.add_reader(uuid_text(user(number)));
        answer();
        REQUIRE(ready.contains(who));
        return who;
    }
    void watch(reader_id who, const std::string &object) { judge_.watch(who, uuid_text(object), now); }
    /// Watches, and says what is answered.
    finding ask(reader_id who, const std::string &object) {
        watch(who, object);
        answer();
        const auto all = take(object);
        REQUIRE(all.size() == 1);
        CHECK(all[0].who == who);
        CHECK(all[0].transaction == judged);
        return all[0].is;
    }
    std::vector<said> take(const std::string &object) { return std::exchange(said_[object], {}); }

    // The transaction that comes next:
    site &grant_to(unsigned who, const std::string &target, grant to) {
        auto &at = grants[{user(who), target}];
        const auto before = std::exchange(at, to);
        add(permissions, before.level > 0 ? permission(who, target, before) : std::vector<text>(),
            to.level > 0 ? permission(who, target, to) : std::vector<text>());
        return *this;
    }
    site &trash(const std::string &which, const char *when) {
        add(trashed, {}, {which, when});
        hidden.trashed[uuid_text(which)] = *parse_timestamp(when);
        return *this;
    }
    site &untrash(const std::string &which, const char *when) {
        add(trashed, {which, when}, {});
        hidden.trashed.erase(uuid_text(which));
        return *this;
    }
    site &freeze(const std::string &which) {
        add(frozen, {}, {which});
        hidden.frozen.insert(uuid_text(which));
        return *this;
    }
    site &write(const std::string &uuid) {
        const auto &one = objects.at(uuid);
        switch (class_of(uuid)) {
        case object_class::collection:
            add(collections, {}, {std::to_string(one.row_id), uuid, std::string(one.owner.view()), {}, uuid});
            break;
        case object_class::user:
            add(users, {},
                {std::to_string(one.row_id),
                 uuid,
                 std::string(one.owner.view()),
                 one.active ? "t" : "f",
                 one.admin ? "t" : "f",
                 {}});
            break;
        default:
            add(requests, {},
                {std::to_string(one.row_id), uuid, std::string(one.owner.view()),
                 one.linked.empty() ? text() : text(std::string(one.linked.view()))});
        }
        return *this;
    }
    site &remove(const std::string &uuid) {
        add(collections, {std::to_string(objects.at(uuid).row_id), {}, {}, {}, {}}, {});
        objects.erase(uuid);
        return *this;
    }
    /// Committed, and in the stream.
    void commit() {
        finish();
        follow();
    }
    /// The first part of it is in the stream.
    void cut() {
        cut_here();
        follow();
    }
    void follow() { judge_.follow(take_batch(), now); }

    /// All questions, as things are now.
    void answer() {
        while (!asked.empty())
            answer(std::exchange(asked, {}));
    }
    void answer(std::vector<access_query> questions) {
        for (const auto &one : questions) {
            auto given = read(one);
            judge_.answer(std::move(given), now);
        }
    }
    access_answer read(const access_query &query) {
        access_answer given{.number = query.number};
        given.snapshot = snapshot();
        given.as_of = end();
        for (const auto &one : query.origins) {
            grant_rows rows{.user = one, .active = true, .targets = {}};
            const auto known = objects.find(std::string(one.view()));
            rows.admin = known != objects.end() && known->second.admin;
            for (const auto &[key, granted] : grants)
                if (key.first == one.view() && granted.level > 0)
                    rows.targets.emplace_back(uuid_text(key.second), granted);
            given.origins.push_back(std::move(rows));
        }
        for (const auto &one : query.objects) {
            if (const auto found = objects.find(std::string(one.view())); found != objects.end())
                given.objects.emplace_back(one, found->second);
            if (class_of(one.view()) != object_class::container)
                continue;
            auto &all = given.linked.emplace_back(one, std::vector<uuid_text>()).second;
            for (const auto &[uuid, facts] : objects)
                if (facts.linked == one) {
                    all.emplace_back(uuid);
                    given.objects.emplace_back(uuid_text(uuid), facts);
                }
        }
        given.hidden = hidden;
        return given;
    }

    std::uint64_t judged = 0;
    std::vector<access_query> asked;
    std::set<reader_id> ready;
    std::map<std::pair<std::string, std::string>, grant> grants;
    std::map<std::string, object_facts> objects;
    hidden_groups hidden;
    std::map<std::string, std::vector<said>> said_;
    judge judge_;

  private:
    static std::vector<text> permission(unsigned who, const std::string &target, grant of) {
        return {user(who), target, std::to_string(of.level), of.owned ? "t" : "f"};
    }

    std::int64_t last_row_ = 0;
};

} // namespace

TEST_CASE("a watched object: the answer, then what each transaction changes") {
    site at;
    const auto one = at.join(1), two = at.join(2);
    CHECK(at.ask(one, collection(1)) == finding::readable);
    CHECK(at.ask(two, collection(1)) == finding::hidden);
    CHECK(at.ask(one, collection(7)) == finding::hidden); // there is none

    SUBCASE("a grant and its revocation") {
        at.grant_to(2, group(1), {1, true}).commit();
        CHECK(at.take(collection(1)) == std::vector<said>{{0, two, finding::readable}});
        at.commit();
        at.grant_to(2, group(1), {}).commit();
        CHECK(at.take(collection(1)) == std::vector<said>{{2, two, finding::hidden}});
    }
    SUBCASE("a grant on the object itself") {
        at.grant_to(2, collection(1), {1, false}).commit();
        CHECK(at.take(collection(1)) == std::vector<said>{{0, two, finding::readable}});
    }
    SUBCASE("a rebuild that changes nothing") {
        at.grant_to(1, group(1), {});
        at.cut();
        CHECK(at.judged == 0);
        at.grant_to(1, user(1), {}).grant_to(1, user(1), {3, true}).grant_to(1, group(1), {1, true});
        at.commit();
        CHECK(at.judged == 1);
        CHECK(at.take(collection(1)).empty());
        CHECK(at.asked.empty());
    }
    SUBCASE("it moves into a project of somebody else's, and back") {
        at.put(collection(1), group(2));
        at.write(collection(1)).commit();
        CHECK(at.take(collection(1)) == std::vector<said>{{0, one, finding::hidden}});
        at.put(collection(1), group(1));
        at.write(collection(1)).commit();
        CHECK(at.take(collection(1)) == std::vector<said>{{1, one, finding::readable}});
    }
    SUBCASE("it is made where there was none") {
        at.put(collection(7), group(1));
        at.write(collection(7)).commit();
        CHECK(at.take(collection(7)) == std::vector<said>{{0, one, finding::readable}});
    }
    SUBCASE("who manages the reader's group changes") {
        at.grant_to(2, user(1), {3, true}).commit();
        CHECK(at.take(collection(1)) == std::vector<said>{{0, two, finding::readable}});
        at.grant_to(2, user(1), {}).commit();
        CHECK(at.take(collection(1)) == std::vector<said>{{1, two, finding::hidden}});
    }
    SUBCASE("nobody watches any more") {
        at.judge_.unwatch(one, uuid_text(collection(1)));
        at.judge_.remove_reader(two);
        at.grant_to(1, group(1), {}).grant_to(2, group(1), {1, true}).commit();
        CHECK(at.take(collection(1)).empty());
    }
    SUBCASE("two watches of a pair are two") {
        at.watch(one, collection(1)); // known, so answered at once
        CHECK(at.asked.empty());
        CHECK(at.take(collection(1)) == std::vector<said>{{0, one, finding::readable}});
        at.judge_.unwatch(one, uuid_text(collection(1)));
        at.grant_to(1, group(1), {}).commit();
        CHECK(at.take(collection(1)) == std::vector<said>{{0, one, finding::hidden}});
    }
}

TEST_CASE("a watched object is deleted") {
    site at;
    const auto one = at.join(1);
    CHECK(at.ask(one, collection(1)) == finding::readable);
    SUBCASE("by who leaves the owner readable") {
        at.remove(collection(1)).commit();
        at.answer(); // the owner has to be asked for
        CHECK(at.take(collection(1)) == std::vector<said>{{0, one, finding::gone}});
        CHECK(at.judged == 1);
        at.put(collection(1), group(1));
        at.write(collection(1)).commit();
        CHECK(at.take(collection(1)) == std::vector<said>{{1, one, finding::readable}});
    }
    SUBCASE("and made again by somebody else") {
        at.remove(collection(1)).commit();
        at.answer();
        CHECK(at.take(collection(1)) == std::vector<said>{{0, one, finding::gone}});
        at.put(collection(1), group(2));
        at.write(collection(1)).commit();
        at.answer();
        CHECK(at.take(collection(1)) == std::vector<said>{{1, one, finding::hidden}});
        CHECK(at.judged == 2);
    }
    SUBCASE("with its owner's grant") {
        at.remove(collection(1)).grant_to(1, group(1), {}).commit();
        at.answer();
        CHECK(at.take(collection(1)) == std::vector<said>{{0, one, finding::hidden}});
    }
    SUBCASE("after a move into an owner that the reader does not see") {
        at.put(collection(1), group(2));
        at.write(collection(1)).remove(collection(1)).commit();
        at.answer();
        CHECK(at.take(collection(1)) == std::vector<said>{{0, one, finding::hidden}});
    }
    SUBCASE("and made again by the same transaction") {
        at.remove(collection(1));
        at.put(collection(1), group(1));
        at.write(collection(1)).commit();
        at.answer();
        CHECK(at.take(collection(1)).empty());
    }
}

TEST_CASE("a watched container is read by its requests") {
    site at;
    const auto one = at.join(1);
    CHECK(at.ask(one, container(1)) == finding::readable);
    at.put(request(1), group(1), container(2));
    at.write(request(1)).commit();
    CHECK(at.take(container(1)) == std::vector<said>{{0, one, finding::hidden}});
    at.put(request(3), group(1), container(1));
    at.write(request(3)).commit();
    CHECK(at.take(container(1)) == std::vector<said>{{1, one, finding::readable}});
    at.trash(group(1), "2020-01-01 00:00:00").commit();
    CHECK(at.take(container(1)) == std::vector<said>{{2, one, finding::hidden}});
    at.untrash(group(1), "2020-01-01 00:00:00").commit();
    CHECK(at.take(container(1)) == std::vector<said>{{3, one, finding::readable}});
}

TEST_CASE("time trashes what is watched") {
    site at;
    const auto one = at.join(1);
    CHECK(at.ask(one, container(1)) == finding::readable);
    CHECK(at.ask(one, collection(1)) == finding::readable);
    at.trash(group(1), in_a_minute).commit();
    at.judge_.tick(start_us + minute_us - 1);
    CHECK(at.take(container(1)).empty());
    at.judge_.tick(start_us + minute_us);
    CHECK(at.take(container(1)) == std::vector<said>{{1, one, finding::hidden}});
    // A commit that was earlier by its own clock does not bring it back.
    at.put(request(1), group(1), container(1));
    at.write(request(1)).commit();
    CHECK(at.take(container(1)).empty());
    // A collection is read in the trash, unless it is frozen.
    CHECK(at.take(collection(1)).empty());
    at.now = start_us + 2 * minute_us;
    at.freeze(group(1)).commit();
    CHECK(at.take(collection(1)) == std::vector<said>{{2, one, finding::hidden}});
}

TEST_CASE("an administrator's pairs stay right") {
    site at;
    at.objects.at(user(1)).admin = true;
    const auto one = at.join(1);
    CHECK(at.ask(one, collection(1)) == finding::readable); // by the rules for others
    at.grant_to(1, group(1), {}).commit();
    CHECK(at.take(collection(1)) == std::vector<said>{{0, one, finding::hidden}});
    at.objects.at(user(1)).admin = false;
    at.write(user(1)).grant_to(1, group(1), {1, true}).commit();
    CHECK(at.take(collection(1)) == std::vector<said>{{1, one, finding::readable}});
}

TEST_CASE("an answer that waits does not keep the stream waiting, and misses nothing") {
    site at;
    const auto one = at.join(1);
    at.watch(one, collection(1));
    auto asked = std::exchange(at.asked, {});
    REQUIRE(asked.size() == 1);
    const auto before = at.read(asked[0]); // a snapshot from before what follows
    at.commit();
    at.put(collection(1), group(2));
    at.write(collection(1)).commit();
    CHECK(at.judged == 2);
    at.judge_.answer(before, at.now);
    CHECK(at.take(collection(1)) == std::vector<said>{{2, one, finding::hidden}});
}

TEST_CASE("many who ask at the same time are answered by few questions") {
    site at;
    const auto one = at.join(1);
    for (unsigned number = 100; number < 1'600; ++number) {
        at.put(collection(number), group(1));
        at.watch(one, collection(number));
    }
    std::size_t questions = 0;
    for (; !at.asked.empty(); ++questions)
        at.answer(std::exchange(at.asked, {}));
    CHECK(questions <= 3);
    for (unsigned number = 100; number < 1'600; ++number)
        CHECK(at.take(collection(number)) == std::vector<said>{{0, one, finding::readable}});
}

TEST_CASE("a new epoch: what nobody told is found out before the next transaction is judged") {
    site at;
    const auto one = at.join(1);
    CHECK(at.ask(one, collection(1)) == finding::readable);
    at.commit();
    at.grants[{user(1), group(1)}] = {};
    ++at.epoch;
    at.commit();
    CHECK(at.judged == 1);
    at.watch(one, collection(1)); // what was told is doubtful
    CHECK(at.take(collection(1)).empty());
    at.answer();
    CHECK(at.judged == 2);
    const auto all = at.take(collection(1));
    REQUIRE(all.size() == 2);
    CHECK(all[0] == said{1, one, finding::hidden});
    CHECK(all[1] == said{2, one, finding::hidden});
}

TEST_CASE("a new epoch that cuts a transaction off does not count it") {
    site at;
    (void)at.join(1);
    at.grant_to(1, group(1), {});
    at.cut();
    ++at.epoch;
    at.follow();
    at.answer();
    CHECK(at.judged == 0);
}

TEST_CASE("with a listener nobody may read what is watched") {
    site at;
    at.exact = false;
    at.follow();
    const auto one = at.join(1);
    at.watch(one, collection(1));
    CHECK(at.asked.empty());
    CHECK(at.take(collection(1)) == std::vector<said>{{0, one, finding::hidden}});
}

TEST_CASE("a reader that nobody follows may read nothing") {
    site at;
    at.watch(reader_id{7}, collection(1));
    CHECK(at.take(collection(1)) == std::vector<said>{{0, reader_id{7}, finding::hidden}});
}

} // namespace walcast
