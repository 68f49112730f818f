// Watched users: what each transaction does to what they read, against sets worked out from the rows.

#include "server/judge/judge.hpp"

#include "tests/unit/judge/stream_writer.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace walcast {

namespace {

using text = std::optional<std::string>;
using names = std::set<std::string>;

std::string user(unsigned number) {
    return fmt::format("zzzzz-tpzed-{:015d}", number);
}
std::string group(unsigned number) {
    return fmt::format("zzzzz-j7d0g-{:015d}", number);
}

relation_ptr table(const char *name, std::vector<column> columns, char identity) {
    static std::uint32_t last = 500;
    return std::make_shared<relation>(++last, "public", name, identity, std::move(columns));
}
const auto permissions = table(
    "materialized_permissions",
    {{"user_uuid"}, {"target_uuid"}, {"perm_level", pg_type::int4}, {"traverse_owned", pg_type::boolean}},
    'f');
const auto users = table("users",
                         {{"id", pg_type::int8},
                          {"uuid"},
                          {"owner_uuid"},
                          {"is_active", pg_type::boolean},
                          {"is_admin", pg_type::boolean},
                          {"redirect_to_user_uuid"}},
                         'd');

/// A database of permissions and users; questions are answered when the test says so.
class site : public testing::stream_writer {
  public:
    site()
        : judge_(reader_rules(true),
                 {.ask = [this](access_query query) { asked.push_back(std::move(query)); },
                  .judged =
                      [this](judgement made) {
                          judged = made.transactions;
                          reports.insert(reports.end(), made.grants.begin(), made.grants.end());
                      },
                  .request_position = [](lsn) {},
                  .ready = [](reader_id) {}}) {
        for (unsigned number = 1; number <= 5; ++number)
            rows_[{user(number), user(number)}] = {3, true};
        follow();
    }

    /// Watches, and is answered: how many targets there are.
    reader_id watch(unsigned number) {
        const auto who = judge_.add_reader(uuid_text(user(number)));
        const auto ticket = judge_.watch_grants(who, uuid_text(user(number)));
        answer();
        const auto said = take();
        REQUIRE(said.size() == 1);
        CHECK(said[0].ticket == ticket);
        CHECK(said[0].transaction == judged);
        CHECK_FALSE(said[0].change);
        CHECK(said[0].now.count == reads(number).size());
        return who;
    }
    std::vector<grants_report> take() { return std::exchange(reports, {}); }
    /// The only one, which is about this transaction.
    grants_report only(std::uint64_t transaction) {
        const auto all = take();
        REQUIRE(all.size() == 1);
        CHECK(all[0].transaction == transaction);
        REQUIRE(all[0].change);
        return all[0];
    }

    [[nodiscard]] names reads(unsigned number) const {
        names made;
        for (const auto &[key, of] : rows_)
            if (key.first == user(number) && of.level > 0 && of.owned &&
                class_of(key.second) == object_class::user)
                for (const auto &[other, theirs] : rows_)
                    if (other.first == key.second && theirs.level > 0)
                        made.insert(other.second);
        return made;
    }

    site &put(unsigned who, const std::string &target, grant to) {
        auto &at = rows_[{user(who), target}];
        const auto before = std::exchange(at, to);
        add(permissions, row(who, target, before), row(who, target, to));
        return *this;
    }
    site &take_all() {
        kept_ = rows_;
        for (auto &[key, of] : rows_) {
            add(permissions, row(key, of), {});
            of = {};
        }
        return *this;
    }
    site &put_back() {
        for (const auto &[key, of] : kept_)
            if (of.level > 0)
                add(permissions, row(key, rows_[key]), row(key, of));
        rows_ = kept_;
        return *this;
    }
    site &empty_table() {
        truncate(permissions);
        kept_ = std::exchange(rows_, {});
        return *this;
    }
    site &set_admin(unsigned who, bool is) {
        admins_[user(who)] = is;
        add(users, {}, {std::to_string(who), user(who), user(9), "t", is ? "t" : "f", {}});
        return *this;
    }
    void commit() {
        finish();
        follow();
    }
    void cut() {
        cut_here();
        follow();
    }
    void follow() { judge_.follow(take_batch(), 1); }
    void answer() {
        while (!asked.empty())
            for (const auto &one : std::exchange(asked, {}))
                judge_.answer(read(one), 1);
    }

    std::uint64_t judged = 0;
    std::vector<access_query> asked;
    std::vector<grants_report> reports;
    judge judge_;

  private:
    using place = std::pair<std::string, std::string>;

    static std::vector<text> row(const place &at, grant of) {
        if (of.level == 0)
            return {};
        return {at.first, at.second, std::to_string(of.level), of.owned ? "t" : "f"};
    }
    static std::vector<text> row(unsigned who, const std::string &target, grant of) {
        return row({user(who), target}, of);
    }
    access_answer read(const access_query &query) {
        access_answer given{.number = query.number};
        given.snapshot = snapshot();
        given.as_of = end();
        for (const auto &one : query.origins) {
            const std::string uuid(one.view());
            grant_rows rows{.user = one, .active = true, .targets = {}};
            rows.user_id = uuid < user(6) ? 7 : 0;
            rows.admin = admins_[uuid];
            for (const auto &[at, of] : rows_)
                if (at.first == uuid && of.level > 0)
                    rows.targets.emplace_back(uuid_text(at.second), of);
            given.origins.push_back(std::move(rows));
        }
        return given;
    }

    std::map<place, grant> rows_, kept_;
    std::map<std::string, bool> admins_;
};

names set_of(const std::vector<uuid_text> &uuids) {
    CHECK(std::is_sorted(uuids.begin(), uuids.end(),
                         [](const auto &one, const auto &other) { return one.view() < other.view(); }));
    names made;
    for (const auto &one : uuids)
        CHECK(made.insert(std::string(one.view())).second);
    return made;
}

} // namespace

TEST_CASE("a watched user: the count, then what each transaction changes") {
    site at;
    at.put(1, group(1), {1, true}).commit();
    at.watch(1);

    SUBCASE("a grant, and its end") {
        at.put(1, group(2), {1, true}).commit();
        const auto gained = at.only(1);
        CHECK(set_of(gained.change->gained_uuids) == names{group(2)});
        CHECK(gained.change->lost == 0);
        CHECK(gained.now == reading{.count = 3, .all = false, .exists = true, .alone = true});
        at.put(1, group(2), {}).put(1, group(1), {}).commit();
        const auto lost = at.only(2);
        CHECK(set_of(lost.change->lost_uuids) == names{group(1), group(2)});
        CHECK(lost.now.count == 1);
    }
    SUBCASE("what ends as it began is nothing") {
        at.take_all().put_back().commit();
        at.put(1, group(2), {1, true}).put(1, group(2), {}).commit();
        at.put(1, group(1), {3, true}).commit();
        at.put(2, group(7), {1, true}).commit();
        CHECK(at.take().empty());
    }
    SUBCASE("a rebuild in segments that changes one row") {
        at.take_all().cut();
        at.put_back().cut();
        CHECK(at.take().empty());
        at.put(1, group(1), {}).commit();
        CHECK(set_of(at.only(1).change->lost_uuids) == names{group(1)});
    }
    SUBCASE("a TRUNCATE waits for what is left") {
        at.empty_table();
        at.put_back().put(1, group(3), {1, true}).commit();
        CHECK(at.take().empty());
        at.answer();
        const auto said = at.only(1);
        CHECK(set_of(said.change->gained_uuids) == names{group(3)});
        CHECK(said.change->lost == 0);
        CHECK(said.now.count == at.reads(1).size());
    }
    SUBCASE("a TRUNCATE behind changes in the same transaction") {
        at.put(1, group(4), {1, true}).empty_table();
        at.commit();
        at.answer();
        CHECK(set_of(at.only(1).change->lost_uuids) == names{group(1), user(1)});
        CHECK(at.reads(1).empty());
    }
    SUBCASE("an administrator") {
        at.set_admin(1, true).commit();
        const auto said = at.only(1);
        CHECK(said.change->empty());
        CHECK(said.now == reading{.count = 2, .all = true, .exists = true, .alone = true});
        at.set_admin(1, true).commit();
        CHECK(at.take().empty());
        at.set_admin(1, false).put(1, group(2), {1, true}).commit();
        CHECK_FALSE(at.only(3).now.all);
    }
}

TEST_CASE("a user who manages others reads what they do") {
    site at;
    at.put(2, group(1), {1, true}).put(2, group(2), {1, true}).put(1, group(2), {1, true}).commit();
    at.watch(1);

    at.put(1, user(2), {3, true}).commit();
    CHECK(at.take().empty()); // the rows of the other are being read
    at.answer();
    auto said = at.only(1);
    CHECK(set_of(said.change->gained_uuids) == names{group(1), user(2)});
    CHECK(said.now == reading{.count = 4, .all = false, .exists = true, .alone = false});

    SUBCASE("what both have is lost when the last one loses it") {
        at.put(2, group(2), {}).commit();
        CHECK(at.take().empty());
        at.put(1, group(2), {}).commit();
        CHECK(set_of(at.only(3).change->lost_uuids) == names{group(2)});
        at.put(2, group(2), {1, false}).put(1, group(2), {1, false}).commit();
        CHECK(set_of(at.only(4).change->gained_uuids) == names{group(2)});
    }
    SUBCASE("the end of it, in a transaction that changes the other's rows") {
        at.put(2, group(3), {1, true}).put(2, group(1), {}).put(1, user(2), {}).commit();
        CHECK(set_of(at.only(2).change->lost_uuids) == names{group(1), user(2)});
    }
    SUBCASE("less than managing") {
        at.put(1, user(2), {1, false}).commit();
        CHECK(set_of(at.only(2).change->lost_uuids) == names{group(1)});
    }
    SUBCASE("a rebuild") {
        at.take_all().put_back().commit();
        at.answer();
        CHECK(at.take().empty());
        at.put(2, group(5), {1, true}).commit();
        CHECK(set_of(at.only(3).change->gained_uuids) == names{group(5)});
    }
}

TEST_CASE("more targets than are named") {
    site at;
    at.watch(1);
    for (unsigned number = 3'000; number > 0; --number)
        at.put(1, group(number), {1, true});
    at.commit();
    const auto said = at.only(0);
    CHECK(said.change->gained == 3'000);
    CHECK(set_of(said.change->gained_uuids).size() == reading_change::most_named);
    CHECK(said.change->gained_uuids.front().view() == group(1));
    CHECK(said.change->gained_uuids.back().view() == group(1'000));
}

TEST_CASE("answers: of a user that there is not, in a transaction, to several, after a new epoch") {
    site at;
    at.judge_.unwatch_grants(at.judge_.add_reader(uuid_text(user(8)))); // nothing was watched
    const auto nobody = at.judge_.add_reader(uuid_text(user(7)));
    (void)at.judge_.watch_grants(nobody, uuid_text(user(7)));
    at.answer();
    REQUIRE(at.reports.size() == 1);
    CHECK(at.take()[0].now == reading());

    const auto who = at.judge_.add_reader(uuid_text(user(1)));
    at.answer();
    at.put(1, group(1), {1, true}).cut();
    const auto first = at.judge_.watch_grants(who, uuid_text(user(1)));
    CHECK(at.take().empty());
    at.put(1, group(2), {1, true}).commit();
    auto said = at.take();
    REQUIRE(said.size() == 1);
    CHECK_FALSE(said[0].change);
    CHECK(said[0].transaction == 1);
    CHECK(said[0].ticket == first);
    CHECK(said[0].now.count == 3);

    CHECK(at.judge_.watch_grants(who, uuid_text(user(1))) > first);
    CHECK(at.take().size() == 1);
    at.judge_.unwatch_grants(who);

    ++at.epoch;
    at.follow();
    at.answer();
    said = at.take();
    REQUIRE(said.size() == 2);
    CHECK(said[0].epoch == at.epoch);
    CHECK_FALSE(said[1].change);

    SUBCASE("then nobody watches any more") {
        at.judge_.unwatch_grants(who);
        at.put(1, group(3), {1, true}).commit();
        CHECK(at.take().empty());
    }
    SUBCASE("the reader leaves in the midst of a transaction") {
        at.put(1, group(3), {1, true}).cut();
        at.judge_.remove_reader(who);
        at.put(1, group(4), {1, true}).commit();
        CHECK(at.take().empty());
    }
    SUBCASE("with a listener nothing is told") {
        at.exact = false;
        at.follow();
        at.answer();
        CHECK(at.take().empty());
        at.exact = true;
        at.follow();
        at.answer();
        CHECK(at.take().size() == 2);
    }
}

TEST_CASE("at random: what is told adds up to what the rows say") {
    for (unsigned seed = 1; seed <= 60; ++seed) {
        CAPTURE(seed);
        std::mt19937 chance(seed);
        const auto pick = [&](unsigned most) { return std::uniform_int_distribution(1U, most)(chance); };
        site at;
        std::map<std::string, names> known;
        for (unsigned number = 1; number <= 4; ++number) {
            at.watch(number);
            known[user(number)] = at.reads(number);
        }
        for (unsigned transaction = 0; transaction < 80; ++transaction) {
            if (pick(12) == 1)
                at.take_all().put_back();
            for (unsigned left = pick(5); left > 0; --left) {
                const bool manages = pick(4) == 1;
                const auto level = static_cast<std::uint8_t>(pick(4) - 1);
                at.put(pick(5), manages ? user(pick(5)) : group(pick(8)), {level, pick(2) == 1});
                if (pick(6) == 1)
                    at.cut();
            }
            if (pick(25) == 1)
                at.empty_table().put_back();
            at.commit();
            at.answer();
            for (const auto &said : at.take()) {
                auto &state = known[std::string(said.user.view())];
                REQUIRE(said.change);
                CHECK(said.transaction == transaction);
                for (const auto &one : set_of(said.change->gained_uuids))
                    CHECK(state.insert(one).second);
                for (const auto &one : set_of(said.change->lost_uuids))
                    CHECK(state.erase(one) == 1);
                CHECK(said.now.count == state.size());
            }
            for (unsigned number = 1; number <= 4; ++number)
                REQUIRE(known[user(number)] == at.reads(number));
        }
    }
}

} // namespace walcast
