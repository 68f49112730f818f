#include "server/access/token_rules.hpp"

#include <doctest/doctest.h>
#include <string>

using namespace walcast;

namespace {

const token_settings settings{"zzzzz", "systemroot"};
constexpr std::int64_t now = 1'000'000;

token_row row() {
    token_row made;
    made.uuid = "zzzzz-gj3su-000000000000001";
    made.secret = "topsecret";
    made.scopes = R"(["all"])";
    made.user_uuid = "zzzzz-tpzed-000000000000001";
    made.is_admin = true;
    return made;
}

bool accepted(std::string_view token, const token_row &stored) {
    return judge_token(parse_token(token, settings), stored, settings, now).has_value();
}

} // namespace

TEST_CASE("how a token is to be looked up") {
    using form = token_claim::form;
    CHECK(parse_token("systemroot", settings).how == form::system_root);
    CHECK(parse_token("barebarebare", settings).how == form::v1);
    const auto v2 =
        parse_token("v2/zzzzz-gj3su-000000000000001/topsecret/zzzzz-dz642-000000000000001", settings);
    CHECK(v2.how == form::v2);
    CHECK(v2.uuid == "zzzzz-gj3su-000000000000001");
    CHECK(v2.secret == "topsecret");
    CHECK(v2.extra == "zzzzz-dz642-000000000000001");
    for (const auto *bad :
         {"", "v2/", "v2//", "v2/zzzzz-gj3su-000000000000001", "v2/zzzzz-gj3su-000000000000001/",
          "v2/AAAAA-gj3su-000000000000001/topsecret", "v2/zz'zz-gj3su-000000000000001/topsecret",
          "v2/zzzzz-tpzed-000000000000001/topsecret", "with space", "quote\n", "\xff\xfe"})
        CHECK_MESSAGE(parse_token(bad, settings).how == form::nothing, bad);
    CHECK(parse_token(std::string(1 << 20, 'x'), settings).how == form::nothing);
    CHECK(parse_token(std::string("nul\0nul", 7), settings).how == form::nothing);
    CHECK(parse_token("", {"zzzzz", ""}).how == form::nothing);
}

TEST_CASE("secrets in clear, salted and hashed") {
    CHECK(accepted("v2/zzzzz-gj3su-000000000000001/topsecret", row()));
    CHECK_FALSE(accepted("v2/zzzzz-gj3su-000000000000001/topsecreT", row()));
    CHECK_FALSE(accepted("v2/zzzzz-gj3su-000000000000001/topsecre", row()));
    CHECK(accepted("topsecret", row()));
    // printf zzzzz | openssl dgst -sha1 -hmac topsecret
    CHECK(accepted("v2/zzzzz-gj3su-000000000000001/5f6c31fd8c4bfbe34c44d9aee2fae84eade09d76", row()));
    auto hashed = row();
    hashed.secret = parse_token("an-openid-access-token", settings).hashed_secret;
    CHECK(hashed.secret.size() == 64);
    CHECK(accepted("an-openid-access-token", hashed));
    CHECK_FALSE(accepted("another-openid-access-token", hashed));
}

TEST_CASE("a token lives until the earlier of its ends") {
    auto stored = row();
    stored.expires_at = now + 5;
    stored.refreshes_at = now + 3;
    const auto who = judge_token(parse_token("topsecret", settings), stored, settings, now);
    REQUIRE(who);
    CHECK(who->alive(now + 2));
    CHECK_FALSE(who->alive(now + 3));
    CHECK_FALSE(who->stale(now + 2));
    CHECK(who->stale(now + 3)); // somebody may vouch for it again
    CHECK_FALSE(who->stale(now + 5));
    stored.refreshes_at = now;
    CHECK_FALSE(accepted("topsecret", stored));
}

TEST_CASE("a container's token is good while the container runs, and for that container only") {
    constexpr auto *token = "v2/zzzzz-gj3su-000000000000001/topsecret/zzzzz-dz642-000000000000001";
    auto stored = row();
    CHECK(accepted(token, stored)); // no such container
    stored.container = {"Running", std::nullopt, std::nullopt};
    CHECK(accepted(token, stored));
    stored.container->state = "Complete";
    CHECK_FALSE(accepted(token, stored));
    stored.container = {"Locked", "zzzzz-gj3su-000000000000002", std::nullopt};
    CHECK_FALSE(accepted(token, stored));
    stored.container = {"Locked", "zzzzz-gj3su-000000000000001", "v2/zzzzz-gj3su-000000000000001/topsecret"};
    CHECK(accepted(token, stored));
    stored.container->runtime_token = "v2/zzzzz-gj3su-000000000000001/other";
    CHECK_FALSE(accepted(token, stored));
}

TEST_CASE("who sees everything") {
    auto stored = row();
    const auto sees = [&] {
        return judge_token(parse_token("topsecret", settings), stored, settings, now)->sees_everything();
    };
    CHECK(sees());
    stored.scopes = R"(["GET /arvados/v1/users/current"])";
    CHECK_FALSE(sees());
    stored.scopes = "broken";
    CHECK_FALSE(sees());
    stored.scopes = R"(["all"])";
    stored.is_admin = false;
    CHECK_FALSE(sees());
    CHECK(system_root_principal(settings).sees_everything());
}

TEST_CASE("the anonymous token, in clear and salted, needs no row") {
    using form = token_claim::form;
    auto known = settings;
    known.anonymous_token = "anonymoussecret";
    known.remote_clusters = {"yyyyy"};
    // printf zzzzz | openssl dgst -sha1 -hmac anonymoussecret, and yyyyy, and xxxxx
    const std::string ours = "7702f80e3553d55c35187c25db318114a0e22bee",
                      theirs = "a1e27803d92ccc8442e25538f386bded87783a68",
                      strangers = "8b4ebb2fd667fdf7b09f8519544513b3ad63e0d4";
    const std::string v2 = "v2/zzzzz-gj3su-anonymouspublic/";
    for (const auto &good :
         {std::string("anonymoussecret"), ours, theirs, v2 + "anonymoussecret", v2 + ours, v2 + theirs})
        CHECK_MESSAGE(parse_token(good, known).how == form::anonymous, good);
    CHECK(parse_token(strangers, known).how == form::v1);
    CHECK(parse_token(v2 + strangers, known).how == form::v2);
    CHECK(parse_token("v2/zzzzz-gj3su-000000000000001/anonymoussecret", known).how == form::v2);
    CHECK(parse_token("v2/yyyyy-gj3su-anonymouspublic/anonymoussecret", known).how == form::v2);
    CHECK(parse_token(v2 + "anonymoussecret", settings).how == form::v2);
    const auto who = anonymous_principal(known);
    CHECK(who.user_uuid == "zzzzz-tpzed-anonymouspublic");
    CHECK_FALSE(who.is_active);
    CHECK_FALSE(who.is_admin);
    CHECK(who.scopes == std::vector<std::string>{"GET /"});
    CHECK(who.alive(now));
}

TEST_CASE("whom else to ask about a token") {
    const auto asks = [&](std::string_view token, const std::optional<token_row> &found,
                          const token_settings &with) {
        return others_may_know(parse_token(token, with), found, with);
    };
    auto federated = settings, oidc = settings, own_login = settings;
    federated.login_cluster = "yyyyy";
    oidc.openid_connect = true;
    own_login.login_cluster = "zzzzz";
    constexpr auto *own = "v2/zzzzz-gj3su-000000000000001/topsecret";
    constexpr auto *foreign = "v2/yyyyy-gj3su-000000000000001/topsecret";
    for (const auto &with : {settings, federated, oidc, own_login}) {
        CHECK(asks(foreign, std::nullopt, with));
        CHECK(asks(foreign, row(), with));
        CHECK_FALSE(asks(own, std::nullopt, with));
        CHECK_FALSE(asks(own, row(), with));
        CHECK_FALSE(asks("topsecret", row(), with)); // issued here
        CHECK_FALSE(asks("systemroot", std::nullopt, with));
        CHECK_FALSE(asks("", std::nullopt, with));
    }
    CHECK_FALSE(asks("unknown", std::nullopt, settings));
    CHECK_FALSE(asks("unknown", std::nullopt, own_login));
    CHECK(asks("unknown", std::nullopt, federated));
    CHECK(asks("unknown", std::nullopt, oidc));
    auto hashed = row();
    hashed.secret = parse_token("an-openid-access-token", oidc).hashed_secret;
    CHECK(asks("an-openid-access-token", hashed, oidc)); // the provider may have made it live longer
    auto stored = row();
    stored.uuid = "yyyyy-gj3su-000000000000001";
    CHECK(asks("topsecret", stored, federated));
}
