#include "server/access/principal_rules.hpp"
#include "tests/unit/access/principal_changes.hpp"

#include <doctest/doctest.h>

using namespace walcast;
using namespace walcast::test;

namespace {

constexpr std::int64_t second = 1'000'000;
constexpr std::int64_t noon = 1'767'355'200 * second; // 2026-01-02 12:00:00 UTC
constexpr auto never = std::numeric_limits<std::int64_t>::max();

principal someone() {
    principal who;
    who.user_uuid = "zzzzz-tpzed-000000000000001";
    who.token_uuid = "zzzzz-gj3su-000000000000001";
    who.is_admin = true;
    who.scopes = {"all"};
    who.token_id = 7;
    who.user_id = 3;
    return who;
}

/// What the changes of one transaction, committed at noon, make of `who`; nothing if it must be looked up.
std::optional<principal> after(transaction_builder &changes, principal who = someone()) {
    const auto made = changes.finish(lsn{2});
    principal_reader reader;
    for (const auto &one : made->changes())
        if (const auto what = reader.read(*made, one); what && concerns(*what, who))
            if (!apply(*what, noon, who))
                return std::nullopt;
    return who;
}

struct changes : transaction_builder {
    changes() { begin(1, lsn{1}, noon); }
    changes &token(const std::string &id, text_or_null expires, text_or_null refreshes = {},
                   text_or_null scopes = R"(["all"])", const std::string &user = "3") {
        add_update(*this, token_table(),
                   {id, "zzzzz-gj3su-000000000000001", user, expires, refreshes, scopes});
        return *this;
    }
    changes &user(const std::string &id, text_or_null admin, text_or_null active,
                  text_or_null redirect = {}) {
        add_update(*this, user_table(), {id, "zzzzz-tpzed-000000000000001", admin, active, redirect});
        return *this;
    }
    changes &container(const std::string &state) {
        add_update(*this, container_table(), {"1", "zzzzz-dz642-000000000000001", state});
        return *this;
    }
};

} // namespace

TEST_CASE("logout: what is ended by its commit is ended for whatever commits later, clocks aside") {
    const auto out = after(changes().token("7", "2026-01-02 11:59:59.9"));
    REQUIRE(out);
    CHECK_FALSE(out->alive(noon));
    CHECK_FALSE(out->alive(noon - 10 * second)); // a commit after it, by a clock that lags
    CHECK(after(changes().token("8", "2026-01-02 11:00:00"))->alive(noon)); // another's
}

TEST_CASE("an end that is to come") {
    const auto later = after(changes().token("7", "2026-01-02 12:00:10"));
    CHECK(later->alive(noon + 9 * second));
    CHECK_FALSE(later->alive(noon + 10 * second));
    const auto stale = after(changes().token("7", {}, "2026-01-02 12:00:10"));
    CHECK(stale->expires_at == never);
    CHECK(stale->stale(noon + 10 * second));
    CHECK(after(changes().token("7", "infinity"))->expires_at == never);
    CHECK_FALSE(after(changes().token("7", "-infinity"))->alive(noon));
    CHECK(after(changes().token("7", "2026-01-02 11:00:00").token("7", {}))->alive(noon)); // taken back
}

TEST_CASE("scopes, and a token that becomes another user's") {
    CHECK_FALSE(after(changes().token("7", {}, {}, R"(["GET /arvados/v1/users/"])"))->sees_everything());
    CHECK_FALSE(after(changes().token("7", {}, {}, std::nullopt))->sees_everything());
    CHECK_FALSE(after(changes().token("7", {}, {}, R"(["all"])", "4")));
}

TEST_CASE("deleted, by a change that says only which") {
    changes gone;
    add_delete(gone, token_table(), "7");
    CHECK_FALSE(after(gone)->exists);
    changes other;
    add_delete(other, token_table(), "8");
    CHECK(after(other)->exists);
    changes user_gone;
    add_delete(user_gone, user_table(), "3");
    CHECK_FALSE(after(user_gone)->exists);
    changes all_gone;
    all_gone.add(change_kind::truncate, token_table());
    CHECK_FALSE(after(all_gone)->exists);
}

TEST_CASE("what happens to a user") {
    CHECK_FALSE(after(changes().user("3", "f", "f"))->is_admin);
    CHECK_FALSE(after(changes().user("3", std::nullopt, "t"))->sees_everything());
    CHECK(after(changes().user("4", "f", "f"))->is_admin);
    CHECK_FALSE(after(changes().user("3", "t", "t", "zzzzz-tpzed-000000000000002"))->exists); // merged
    CHECK(after(changes().user("3", "t", "t"))->is_active);
}

TEST_CASE("a token of a container ends with it, and only with it") {
    auto limited = someone();
    limited.container_uuid = "zzzzz-dz642-000000000000001";
    CHECK(after(changes().container("Running"), limited)->exists);
    CHECK_FALSE(after(changes().container("Complete"), limited)->exists);
    CHECK_FALSE(after(changes().container("Queued"), limited)->exists);
    CHECK(after(changes().container("Complete"))->exists);
}

TEST_CASE("without rows the uuids count") {
    auto remote = someone();
    remote.token_id = remote.user_id = 0;
    CHECK_FALSE(after(changes().user("99", "f", "t"), remote)->is_admin);
    CHECK_FALSE(after(changes().token("99", "2026-01-02 11:00:00"), remote)->alive(noon));
}

TEST_CASE("a value that a change does not have is as it was") {
    transaction_builder update;
    update.begin(1, lsn{1}, noon);
    update.add(change_kind::update, token_table());
    update.add_new(value_kind::text, "7");
    for (int rest = 0; rest < 2; ++rest)
        update.add_new(value_kind::absent);
    update.add_new(value_kind::text, "2026-01-02 13:00:00");
    update.add_new(value_kind::absent);
    update.add_new(value_kind::unchanged);
    const auto who = after(update);
    REQUIRE(who);
    CHECK(who->scopes == std::vector<std::string>{"all"});
    CHECK(who->expires_at == noon + 3600 * second);
    CHECK(who->refreshes_at == never);
}
