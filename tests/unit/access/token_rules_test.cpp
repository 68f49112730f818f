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
    for (const auto *bad : {"", "v2/", "v2//", "v2/zzzzz-gj3su-000000000000001",
                            "v2/zzzzz-gj3su-000000000000001/", "v2/aaaaa-gj3su-000000000000001/topsecret",
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
    CHECK(who->expires_at == now + 3);
    CHECK(who->alive(now + 2));
    CHECK_FALSE(who->alive(now + 3));
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
