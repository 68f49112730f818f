#include "server/access/token_rules.hpp"

#include <algorithm>
#include <openssl/crypto.h>
#include <rapidjson/document.h>

namespace walcast {

namespace {

constexpr std::size_t uuid_length = 27;

bool is_uuid_of(std::string_view text, std::string_view cluster, std::string_view infix)
{
    return text.size() == uuid_length && text.substr(0, 5) == cluster && text[5] == '-' && text.substr(6, 5) == infix &&
           text[11] == '-';
}

/// Tokens are printable ASCII; anything else cannot be in the table, and NUL cannot even be asked for.
bool is_plain(std::string_view text)
{
    return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

std::vector<std::string> parse_scopes(const std::string &text)
{
    std::vector<std::string> scopes;
    rapidjson::Document document;
    document.Parse<rapidjson::kParseIterativeFlag>(text.data(), text.size());
    if (document.HasParseError() || !document.IsArray())
        return scopes;
    for (const auto &scope : document.GetArray())
        if (scope.IsString())
            scopes.emplace_back(scope.GetString(), scope.GetStringLength());
    return scopes;
}

} // namespace

bool equal_secrets(std::string_view one, std::string_view other)
{
    return one.size() == other.size() && CRYPTO_memcmp(one.data(), other.data(), one.size()) == 0;
}

token_claim parse_token(std::string_view token, const token_settings &settings)
{
    token_claim claim;
    if (token.empty() || token.size() > max_token_bytes || !is_plain(token))
        return claim;
    if (!settings.system_root_token.empty() && equal_secrets(token, settings.system_root_token)) {
        claim.how = token_claim::form::system_root;
        return claim;
    }
    if (!token.starts_with("v2/")) {
        claim.how = token_claim::form::v1;
        claim.secret = token;
        return claim;
    }
    const auto rest = token.substr(3);
    const auto uuid = rest.substr(0, rest.find('/'));
    if (!is_uuid_of(uuid, settings.cluster_id, "gj3su") || uuid.size() == rest.size())
        return claim;
    const auto secret_and_extra = rest.substr(uuid.size() + 1);
    const auto secret = secret_and_extra.substr(0, secret_and_extra.find('/'));
    if (secret.empty())
        return claim;
    if (secret.size() < secret_and_extra.size()) {
        // With a container's uuid behind it, the token is only good while that container runs. That needs the
        // container's row; until walcast looks at it, such a token sees nothing.
        const auto extra = secret_and_extra.substr(secret.size() + 1);
        if (is_uuid_of(extra, settings.cluster_id, "dz642"))
            return claim;
    }
    claim.how = token_claim::form::v2;
    claim.uuid = uuid;
    claim.secret = secret;
    return claim;
}

std::optional<principal> judge_token(const token_claim &claim, const token_row &row, std::int64_t now_us)
{
    if (!equal_secrets(claim.secret, row.secret))
        return std::nullopt;
    principal who;
    who.user_uuid = row.user_uuid;
    who.token_uuid = row.uuid;
    who.is_admin = row.is_admin;
    who.is_active = row.is_active;
    who.scopes = parse_scopes(row.scopes);
    for (const auto &end : {row.expires_at, row.refreshes_at})
        if (end)
            who.expires_at = std::min(who.expires_at, *end);
    if (!who.alive(now_us))
        return std::nullopt;
    return who;
}

principal system_root_principal(const token_settings &settings)
{
    principal who;
    who.user_uuid = settings.cluster_id + "-tpzed-000000000000000";
    who.token_uuid = settings.cluster_id + "-gj3su-000000000000000";
    who.is_admin = true;
    who.is_active = true;
    who.scopes = {"all"};
    return who;
}

} // namespace walcast
