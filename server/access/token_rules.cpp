#include "server/access/token_rules.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <rapidjson/document.h>

namespace walcast {

namespace {

constexpr std::size_t uuid_length = 27;

bool is_uuid_of(std::string_view text, std::string_view cluster, std::string_view infix) {
    return text.size() == uuid_length && text.substr(0, 5) == cluster && text[5] == '-' &&
           text.substr(6, 5) == infix && text[11] == '-';
}

/// Tokens are printable ASCII; anything else cannot be in the table, and NUL cannot even be asked for.
bool is_plain(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

/// HMAC as lower-case hexadecimal text.
std::string hmac(const EVP_MD *digest, std::string_view key, std::string_view message) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> bytes;
    unsigned size = 0;
    HMAC(digest, key.data(), static_cast<int>(key.size()),
         reinterpret_cast<const unsigned char *>(message.data()), message.size(), bytes.data(), &size);
    std::string text;
    for (unsigned at = 0; at < size; ++at)
        text += fmt::format("{:02x}", bytes[at]);
    return text;
}

bool secret_fits(const token_claim &claim, const token_row &row, const token_settings &settings) {
    if (equal_secrets(claim.secret, row.secret))
        return true;
    if (claim.how == token_claim::form::v1)
        return !claim.hashed_secret.empty() && equal_secrets(claim.hashed_secret, row.secret);
    // Salted for us: what other clusters, and clients that do not trust us, send instead of the secret.
    return equal_secrets(claim.secret, hmac(EVP_sha1(), row.secret, settings.cluster_id));
}

bool container_allows(const token_claim &claim, const token_row &row) {
    if (!row.container)
        return true;
    const auto &container = *row.container;
    return (container.state == "Locked" || container.state == "Running") &&
           (!container.auth_uuid || *container.auth_uuid == row.uuid) &&
           (!container.runtime_token ||
            equal_secrets(*container.runtime_token, "v2/" + row.uuid + "/" + claim.secret));
}

std::vector<std::string> parse_scopes(const std::string &text) {
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

bool equal_secrets(std::string_view one, std::string_view other) {
    return one.size() == other.size() && CRYPTO_memcmp(one.data(), other.data(), one.size()) == 0;
}

token_claim parse_token(std::string_view token, const token_settings &settings) {
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
        if (!settings.system_root_token.empty())
            claim.hashed_secret = hmac(EVP_sha256(), settings.system_root_token, token);
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
    if (secret.size() < secret_and_extra.size())
        claim.extra = secret_and_extra.substr(secret.size() + 1);
    claim.how = token_claim::form::v2;
    claim.uuid = uuid;
    claim.secret = secret;
    return claim;
}

std::optional<principal> judge_token(const token_claim &claim, const token_row &row,
                                     const token_settings &settings, std::int64_t now_us) {
    if (!secret_fits(claim, row, settings) || !container_allows(claim, row))
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

principal system_root_principal(const token_settings &settings) {
    principal who;
    who.user_uuid = settings.cluster_id + "-tpzed-000000000000000";
    who.token_uuid = settings.cluster_id + "-gj3su-000000000000000";
    who.is_admin = true;
    who.is_active = true;
    who.scopes = {"all"};
    return who;
}

} // namespace walcast
