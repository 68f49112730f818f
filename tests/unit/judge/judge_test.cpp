// The judge against a model of PostgreSQL: a history of states, a stream of the transactions between them,
// and snapshots that are ahead of the stream or behind it. Whatever the order in which things arrive, each
// event is judged as the rules say of the state at its own commit.

#include "server/judge/judge.hpp"

#include "tests/support/sanitized.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <vector>

namespace walcast {

namespace {

using text = std::optional<std::string>;

std::string uuid(const char *part, unsigned number) {
    return fmt::format("zzzzz-{}-{:015d}", part, number);
}

struct table {
    relation_ptr shape;
    explicit table(const char *name, std::vector<column> columns, char identity = 'd')
        : shape(std::make_shared<relation>(next_oid(), "public", name, identity, std::move(columns))) {}
    static std::uint32_t next_oid() {
        static std::uint32_t last = 100;
        return ++last;
    }
};

const table logs("logs", {{"id", pg_type::int8},
                          {"uuid"},
                          {"object_uuid"},
                          {"object_owner_uuid"},
                          {"event_type"},
                          {"event_at", pg_type::timestamp},
                          {"created_at", pg_type::timestamp},
                          {"properties"}});
const table permissions(
    "materialized_permissions",
    {{"user_uuid"}, {"target_uuid"}, {"perm_level", pg_type::int4}, {"traverse_owned", pg_type::boolean}},
    'f');
const table trashed("trashed_groups", {{"group_uuid"}, {"trash_at", pg_type::timestamp}}, 'f');
const table frozen("frozen_groups", {{"uuid"}}, 'f');
const table collections("collections", {{"id", pg_type::int8},
                                        {"uuid"},
                                        {"owner_uuid"},
                                        {"trash_at", pg_type::timestamp},
                                        {"current_version_uuid"}});
const table requests("container_requests",
                     {{"id", pg_type::int8}, {"uuid"}, {"owner_uuid"}, {"container_uuid"}});
const table groups(
    "groups",
    {{"id", pg_type::int8}, {"uuid"}, {"owner_uuid"}, {"trash_at", pg_type::timestamp}, {"group_class"}});

/// A collection, a request or a group: what of its row matters.
struct object {
    std::int64_t id = 0;
    std::string owner;
    bool trashed = false;
    std::string linked; ///< of a request: the container
    bool operator==(const object &) const = default;
};

struct state {
    std::map<std::pair<std::string, std::string>, grant> granted;
    std::map<std::string, bool> trashed; ///< group: whether in the past
    std::set<std::string> frozen;
    std::map<std::string, object> objects;
    std::map<std::string, std::string> last_owner; ///< also of objects that are no more
};

constexpr const char *past = "2020-01-01 00:00:00";
constexpr const char *future = "2120-01-01 00:00:00";

/// The rules once more, as plainly as they can be said (facts: permission SQL).
struct reference {
    const state &at;

    bool reaches(const std::string &user, const std::string &target, bool owned) const {
        for (const auto &[key, mine] : at.granted) {
            if (key.first != user || !mine.owned || key.second.substr(6, 5) != "tpzed")
                continue;
            const auto found = at.granted.find({key.second, target});
            if (found != at.granted.end() && (found->second.owned || !owned))
                return true;
        }
        return false;
    }
    bool granted(const std::string &user, const std::string &uuid, const std::string &owner) const {
        return reaches(user, owner, true) || reaches(user, uuid, false);
    }
    bool is_trashed(const std::string &group) const {
        const auto found = at.trashed.find(group);
        return found != at.trashed.end() && found->second;
    }
    bool readable(const std::string &user, const std::string &uuid) const {
        if (uuid.size() != 27)
            return false;
        const auto part = uuid.substr(6, 5);
        if (part == "dz642") {
            for (const auto &[request, one] : at.objects)
                if (request.substr(6, 5) == "xvhdp" && one.linked == uuid &&
                    granted(user, request, one.owner) && !is_trashed(one.owner))
                    return true;
            return false;
        }
        const auto found = at.objects.find(uuid);
        if (found == at.objects.end())
            return false;
        const auto &one = found->second;
        if (at.frozen.contains(one.owner) && (is_trashed(one.owner) || one.trashed))
            return false;
        if (part == "j7d0g")
            return reaches(user, uuid, false);
        return granted(user, uuid, one.owner);
    }
};

/// PostgreSQL, as far as the judge can tell.
class simulation {
  public:
    explicit simulation(unsigned seed, unsigned segment_changes)
        : random_(seed)
        , segment_changes_(segment_changes)
        , judge_(reader_rules(true), {.ask =
                                          [this](access_query query) {
                                              asked_.emplace_back(std::move(query), history_.size() - 1);
                                          },
                                      .judged = [this](const judgement &made) { check(made); },
                                      .request_position = [](lsn) {},
                                      .ready = [this](reader_id who) { ready_.insert(who); }}) {
        state first;
        for (unsigned number = 0; number < 60; ++number)
            mutate(first, nullptr);
        history_.push_back(first);
    }

    void step() {
        switch (pick(13)) {
        case 10:
        case 11:
            watch();
            break;
        case 12:
            unwatch();
            break;
        case 0:
        case 1:
        case 2:
        case 3:
            commit();
            break;
        case 4:
        case 5:
            stream();
            break;
        case 6:
        case 7:
        case 8:
            answer();
            break;
        default:
            change_readers();
        }
    }

    /// Until nothing moves any more.
    void finish() {
        while (streamed_ + 1 < history_.size() || !asked_.empty()) {
            stream();
            answer();
        }
        judge_.tick(1);
        while (!asked_.empty())
            answer();
        CHECK(expected_.empty());
        for (const auto &[pair, one] : watched_)
            CHECK_MESSAGE((one.told && !one.owed), readers_.at(pair.first), " ", pair.second);
        CHECK(judge_.backlog_bytes() == 0);
        CHECK(judged_ + 1 == history_.size());
    }

    std::size_t checks = 0, allowed = 0;
    std::size_t answers = 0, changes = 0, gone = 0, returns = 0; ///< of watched objects
    [[nodiscard]] judge::counts counted() const { return judge_.counted(); }

  private:
    struct expectation {
        std::string object;
        std::size_t version;
    };

    unsigned pick(unsigned below) { return static_cast<unsigned>(random_() % below); }
    std::string user() { return uuid("tpzed", pick(4)); }
    std::string group() { return uuid("j7d0g", pick(5)); }
    std::string collection() { return uuid("4zz18", pick(6)); }
    std::string request() { return uuid("xvhdp", pick(4)); }
    std::string container() { return uuid("dz642", pick(2)); }
    std::string owner() { return pick(3) == 0 ? user() : group(); }
    std::string any_object() {
        switch (pick(6)) {
        case 0:
            return group();
        case 1:
            return request();
        case 2:
            return container();
        case 3:
            return pick(4) == 0 ? "nonsense" : uuid("4zz18", 90 + pick(3));
        default:
            return collection();
        }
    }

    static void row(transaction_builder &into, bool is_new, const std::vector<text> &values) {
        for (const auto &one : values) {
            const auto kind = one ? value_kind::text : value_kind::null;
            is_new ? into.add_new(kind, one.value_or("")) : into.add_old(kind, one.value_or(""));
        }
    }
    /// Old and new row of a table that has all of both in the stream; null: none.
    static void full(transaction_builder *into, const table &of, const std::vector<text> *before,
                     const std::vector<text> *after) {
        if (into == nullptr || (!before && !after))
            return;
        into->add(before && after ? change_kind::update
                  : after         ? change_kind::insert
                                  : change_kind::remove,
                  of.shape);
        if (before)
            row(*into, false, *before);
        if (after)
            row(*into, true, *after);
    }

    static std::vector<text> permission_row(const std::string &who, const std::string &target, grant of) {
        return {who, target, std::to_string(of.level), of.owned ? "t" : "f"};
    }

    static std::vector<text> object_row(const std::string &uuid, const object &of) {
        const auto part = uuid.substr(6, 5);
        const text trash = of.trashed ? text(past) : std::nullopt;
        if (part == "4zz18")
            return {std::to_string(of.id), uuid, of.owner, trash, uuid};
        if (part == "xvhdp")
            return {std::to_string(of.id), uuid, of.owner,
                    of.linked.empty() ? std::nullopt : text(of.linked)};
        return {std::to_string(of.id), uuid, of.owner, trash, "project"};
    }
    static const table &table_of(const std::string &uuid) {
        const auto part = uuid.substr(6, 5);
        return part == "4zz18" ? collections : part == "xvhdp" ? requests : groups;
    }

    void log(transaction_builder &into, const std::string &type, const std::string &object,
             const std::string &owner, const std::string &properties) {
        into.add(change_kind::insert, logs.shape);
        row(into, true,
            {std::to_string(++last_log_), uuid("57u5n", 1), object, owner, type, past, past, properties});
        expected_of_next_.push_back(type == "delete" ? owner : object);
    }

    /// One random change, with the rows that it makes in the stream.
    void mutate(state &at, transaction_builder *into) {
        switch (pick(8)) {
        case 0: {
            const auto group_uuid = group();
            const auto before = at.trashed.find(group_uuid);
            const bool had = before != at.trashed.end(), was = had && before->second;
            const std::vector<text> old_row{group_uuid, was ? past : future};
            if (had && pick(2) == 0) {
                at.trashed.erase(before);
                return full(into, trashed, &old_row, nullptr);
            }
            const bool now = pick(2) == 0;
            at.trashed[group_uuid] = now;
            const std::vector<text> new_row{group_uuid, now ? past : future};
            return full(into, trashed, had ? &old_row : nullptr, &new_row);
        }
        case 1: {
            const auto group_uuid = group();
            const std::vector<text> all{group_uuid};
            if (at.frozen.erase(group_uuid) > 0)
                return full(into, frozen, &all, nullptr);
            at.frozen.insert(group_uuid);
            return full(into, frozen, nullptr, &all);
        }
        case 2:
        case 3:
        case 4: {
            const auto who = user();
            const auto target = pick(4) == 0 ? user() : pick(6) == 0 ? any_object() : group();
            if (target.size() != 27)
                return;
            const auto key = std::make_pair(who, target);
            const auto found = at.granted.find(key);
            const bool had = found != at.granted.end();
            const auto old_row = permission_row(who, target, had ? found->second : grant());
            if (had && pick(2) == 0) {
                at.granted.erase(found);
                return full(into, permissions, &old_row, nullptr);
            }
            const grant now{static_cast<std::uint8_t>(1 + pick(3)), pick(4) != 0};
            at.granted[key] = now;
            const auto new_row = permission_row(who, target, now);
            return full(into, permissions, had ? &old_row : nullptr, &new_row);
        }
        default: {
            const auto which = pick(3) == 0 ? group() : pick(2) == 0 ? request() : collection();
            const auto found = at.objects.find(which);
            const bool had = found != at.objects.end();
            const auto before = had ? found->second : object();
            const auto old_attributes = [&] {
                return fmt::format(
                    R"({{"id":{},"uuid":"{}","owner_uuid":"{}","trash_at":{},"container_uuid":{}}})",
                    before.id, which, before.owner,
                    before.trashed ? R"("2020-01-01T00:00:00.000000000Z")" : "null",
                    before.linked.empty() ? "null" : "\"" + before.linked + "\"");
            };
            if (had && pick(4) == 0) {
                at.objects.erase(found);
                if (into == nullptr)
                    return;
                into->add(change_kind::remove, table_of(which).shape);
                std::vector<text> key{std::to_string(before.id)};
                key.resize(table_of(which).shape->columns().size());
                row(*into, false, key);
                return log(*into, "delete", which, before.owner,
                           "{\"old_attributes\":" + old_attributes() + "}");
            }
            object now{
                .id = had ? before.id : ++last_row_, .owner = owner(), .trashed = pick(3) == 0, .linked = ""};
            if (which.substr(6, 5) == "xvhdp") {
                now.trashed = false;
                now.linked = pick(3) == 0 ? "" : container();
            }
            at.objects[which] = now;
            at.last_owner[which] = now.owner;
            if (into == nullptr)
                return;
            into->add(had ? change_kind::update : change_kind::insert, table_of(which).shape);
            row(*into, true, object_row(which, now));
            log(*into, had ? "update" : "create", which, now.owner,
                had ? "{\"old_attributes\":" + old_attributes() + "}" : "{\"old_attributes\":null}");
        }
        }
    }

    /// A row of `logs` that nothing stands behind.
    void lie(transaction_builder &into) {
        static const char *const types[] = {"dispatch", "create", "update", "delete"};
        const auto which = any_object();
        log(into, types[pick(4)], which, owner(),
            fmt::format(
                R"({{"old_attributes":{{"id":{},"uuid":"{}","owner_uuid":"{}","container_uuid":"{}"}}}})",
                1 + pick(static_cast<unsigned>(last_row_)), which, owner(), container()));
    }

    void commit() {
        auto next = history_.back();
        const auto version = history_.size();
        transaction_builder builder;
        const lsn at{1'000 + 10 * version};
        builder.begin(static_cast<std::uint32_t>(version), at, 1'700'000'000'000'000);
        std::vector<transaction_ptr> segments;
        const auto cut = [&] {
            if (segment_changes_ > 0 && pick(segment_changes_) == 0 && !builder.empty())
                segments.push_back(builder.cut());
        };
        for (auto left = 1 + pick(pick(10) == 0 ? 20 : 3); left > 0; --left) {
            mutate(next, &builder);
            cut();
        }
        for (auto left = pick(3); left > 0; --left) { // rows that somebody posted
            lie(builder);
            cut();
        }
        segments.push_back(builder.finish(lsn{at.value + 5}));
        history_.push_back(next);
        transactions_.push_back(std::move(segments));
        for (const auto &one : std::exchange(expected_of_next_, {}))
            expected_.push_back({one, version});
    }

    /// The next transactions arrive, maybe one of them in part.
    void stream() {
        batch next;
        next.exact = next.ready = true;
        for (auto left = 1 + pick(3); left > 0 && streamed_ + 1 < history_.size(); --left) {
            const auto &segments = transactions_[streamed_];
            for (const auto end = pick(3) == 0 ? sent_ + 1 : segments.size(); sent_ < end; ++sent_)
                next.transactions.push_back(segments[sent_]);
            if (sent_ < segments.size())
                break;
            sent_ = 0;
            ++streamed_;
        }
        next.decoded = lsn{1'000 + 10 * streamed_ + 5};
        judge_.follow(next, 1'700'000'000'000'000);
    }

    /// A question is answered: by a snapshot of now, or of a moment since it was asked, or, as commits become
    /// visible after they are in the log, of a little before.
    void answer() {
        if (asked_.empty())
            return;
        const auto which = pick(static_cast<unsigned>(asked_.size()));
        auto [query, version] = asked_[which];
        asked_.erase(asked_.begin() + which);
        const auto oldest = version - std::min<std::size_t>(version, pick(4) == 0 ? pick(4) : 0);
        const auto seen = oldest + pick(static_cast<unsigned>(history_.size() - oldest));
        const auto &at = history_[seen];
        access_answer given{.number = query.number};
        given.snapshot = fmt::format("{}:{}:", seen + 1, seen + 1);
        given.as_of = lsn{1'000 + 10 * (pick(2) == 0 ? seen : history_.size() - 1) + 5};
        for (const auto &one : query.origins) {
            grant_rows rows{.user = one, .active = true, .targets = {}};
            for (const auto &[key, granted] : at.granted)
                if (key.first == one.view())
                    rows.targets.emplace_back(uuid_text(key.second), granted);
            given.origins.push_back(std::move(rows));
        }
        for (const auto &one : query.objects) {
            if (const auto found = at.objects.find(std::string(one.view())); found != at.objects.end())
                given.objects.emplace_back(one, facts_of(found->first, found->second));
            if (class_of(one.view()) != object_class::container)
                continue;
            std::vector<uuid_text> all;
            for (const auto &[which_request, of] : at.objects) {
                if (which_request.substr(6, 5) != "xvhdp" || of.linked != one.view())
                    continue;
                all.emplace_back(which_request);
                given.objects.emplace_back(uuid_text(which_request), facts_of(which_request, of));
            }
            given.linked.emplace_back(one, std::move(all));
        }
        if (query.hidden) {
            for (const auto &[group_uuid, is_past] : at.trashed)
                given.hidden.trashed[uuid_text(group_uuid)] = *parse_timestamp(is_past ? past : future);
            for (const auto &group_uuid : at.frozen)
                given.hidden.frozen.insert(uuid_text(group_uuid));
        }
        judge_.answer(std::move(given), 1'700'000'000'000'000);
        if (pick(8) == 0)
            judge_.tick(1);
    }

    static object_facts facts_of(const std::string &which, const object &of) {
        object_facts made;
        made.exists = true;
        made.row_id = of.id;
        made.owner = uuid_text(of.owner);
        made.trash_at = of.trashed ? *parse_timestamp(past) : object_facts::never;
        if (which.substr(6, 5) == "xvhdp")
            made.linked = uuid_text(of.linked);
        return made;
    }

    void change_readers() {
        if (readers_.empty() || (readers_.size() < 4 && pick(2) == 0)) {
            const auto who = user();
            const auto next = judge_.next_reader();
            readers_[next] = who;
            CHECK(judge_.add_reader(uuid_text(who)) == next);
        } else if (pick(3) == 0) {
            auto leaver = readers_.begin();
            std::advance(leaver, pick(static_cast<unsigned>(readers_.size())));
            judge_.remove_reader(leaver->first);
            ready_.erase(leaver->first);
            std::erase_if(watched_, [&](const auto &one) { return one.first.first == leaver->first; });
            readers_.erase(leaver);
        }
    }

    void watch() {
        if (ready_.empty())
            return;
        auto who = ready_.begin();
        std::advance(who, pick(static_cast<unsigned>(ready_.size())));
        const auto which = any_object();
        auto &one = watched_[{*who, which}];
        ++one.uses;
        one.owed = true;
        judge_.watch(*who, uuid_text(which), 1'700'000'000'000'000);
    }

    void unwatch() {
        if (watched_.empty())
            return;
        auto one = watched_.begin();
        std::advance(one, pick(static_cast<unsigned>(watched_.size())));
        judge_.unwatch(one->first.first, uuid_text(one->first.second));
        if (--one->second.uses == 0)
            watched_.erase(one);
    }

    bool readable(reader_id who, const std::string &which, std::size_t version) const {
        return reference{history_[version]}.readable(readers_.at(who), which);
    }

    /// Verdicts of one judgement, in which the transactions before `until` have been judged.
    void check(const std::vector<object_verdict> &made, std::uint64_t until) {
        using finding = object_verdict::finding;
        std::set<std::tuple<reader_id, std::string, std::uint64_t>> changed;
        for (const auto &one : made) {
            const auto pair = std::make_pair(one.who, std::string(one.object.view()));
            const auto number = one.transaction;
            INFO(readers_.at(one.who), " ", pair.second, " at ", number, " of ", history_.size() - 1);
            REQUIRE(watched_.contains(pair));
            REQUIRE(number <= until);
            auto &known = watched_.at(pair);
            const bool is = one.is == finding::readable;
            if (known.owed && (!known.told || *known.told == one.is)) {
                REQUIRE(is == readable(one.who, pair.second, number));
                if (!known.told)
                    known.since = number;
                known.owed = false;
                ++answers;
            } else if (known.told == finding::gone &&
                       one.is == finding::hidden) { // it is back, not for this one
                REQUIRE(!history_[number].objects.contains(pair.second));
                REQUIRE(history_[number + 1].objects.contains(pair.second));
                REQUIRE(!readable(one.who, pair.second, number + 1));
                ++returns;
            } else {
                REQUIRE(known.told);
                REQUIRE((*known.told == finding::readable) != is);
                REQUIRE(is == readable(one.who, pair.second, number + 1));
                REQUIRE(is != readable(one.who, pair.second, number));
                changed.emplace(one.who, pair.second, number);
                const auto &at = history_[number + 1];
                const bool deleted = !is && history_[number].objects.contains(pair.second) &&
                                     !at.objects.contains(pair.second) &&
                                     readable(one.who, at.last_owner.at(pair.second), number + 1);
                REQUIRE(deleted == (one.is == finding::gone));
                ++changes;
                gone += deleted;
            }
            known.told = one.is;
        }
        // None is missing.
        for (auto &[pair, one] : watched_) {
            if (!one.told)
                continue;
            REQUIRE(!(one.told == finding::gone && history_[until].objects.contains(pair.second)));
            for (; one.since < until; ++one.since)
                REQUIRE((readable(pair.first, pair.second, one.since) !=
                         readable(pair.first, pair.second, one.since + 1)) ==
                        changed.contains({pair.first, pair.second, one.since}));
        }
    }

    void check(const judgement &made) {
        REQUIRE(made.events.size() <= expected_.size());
        for (const auto &one : made.events) {
            const auto [object_uuid, version] = expected_.front();
            expected_.erase(expected_.begin());
            for (const auto who : ready_) {
                const reference rules{history_[version]};
                const auto &name = readers_.at(who);
                const bool should = rules.readable(name, object_uuid);
                ++checks;
                allowed += should;
                REQUIRE_MESSAGE(one->has(who) == should, name, " ", object_uuid, " at ", version, " of ",
                                history_.size() - 1, ", seen ", one->has(who));
            }
        }
        // Of so many transactions, all events are judged. That of version n has the number n - 1.
        REQUIRE(made.transactions >= judged_);
        judged_ = made.transactions;
        REQUIRE((expected_.empty() || expected_.front().version > judged_));
        check(made.objects, judged_);
    }

    std::mt19937 random_;
    unsigned segment_changes_;
    std::int64_t last_log_ = 0, last_row_ = 0;
    std::vector<state> history_; ///< after each transaction; the first is from before
    std::vector<std::vector<transaction_ptr>> transactions_;  ///< in segments; that of version n is at n - 1
    std::size_t streamed_ = 0, sent_ = 0;                     ///< transactions, and segments of the next one
    std::vector<std::pair<access_query, std::size_t>> asked_; ///< and the version at the time
    std::vector<std::string> expected_of_next_;
    std::vector<expectation> expected_;
    struct watching {
        unsigned uses = 0;
        bool owed = false; ///< an answer
        std::optional<object_verdict::finding> told;
        std::uint64_t since = 0; ///< transactions from here on have not been checked
    };
    std::map<std::pair<reader_id, std::string>, watching> watched_;
    std::uint64_t judged_ = 0; ///< transactions
    std::map<reader_id, std::string> readers_;
    std::set<reader_id> ready_;
    judge judge_;
};

} // namespace

TEST_CASE("each event is judged by the state at its commit") {
    std::size_t checks = 0, allowed = 0, answers = 0, changes = 0, gone = 0, returns = 0;
    judge::counts sum;
    constexpr unsigned part = testing::sanitized ? 4 : 1;
    for (unsigned seed = 1; seed <= 400 / part; ++seed) {
        INFO("seed ", seed);
        simulation run(seed, seed % 3 == 0 ? 4 : 0);
        for (int step = 0; step < 300; ++step)
            run.step();
        run.finish();
        checks += run.checks;
        allowed += run.allowed;
        answers += run.answers;
        changes += run.changes;
        gone += run.gone;
        returns += run.returns;
        sum.retries += run.counted().retries;
        sum.guesses += run.counted().guesses;
        sum.lookups += run.counted().lookups;
    }
    // It must have had something to do, and both answers to give.
    CHECK(checks > 50'000 / part);
    CHECK(allowed > checks / 20);
    CHECK(allowed < checks / 2);
    CHECK(sum.retries > 10 / part);
    CHECK(sum.lookups > 1'000 / part);
    CHECK(sum.guesses == 0);
    CHECK(answers > 5'000 / part);
    CHECK(changes > 1'000 / part);
    CHECK(gone > 10 / part);
    CHECK(returns > 0);
    MESSAGE(answers, " objects were watched, which changed ", changes, " times, and ", gone, " were deleted");
    MESSAGE(checks, " answers checked, ", allowed, " of them yes");
}

} // namespace walcast
