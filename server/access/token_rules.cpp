#include "server/access/token_rules.hpp"

#include "server/access/scopes.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

namespace walcast {

namespace {

constexpr std::size_t uuid_length = 27;

bool is_cluster_id(std::string_view text) {
    return text.size() == 5 && std::all_of(text.begin(), text.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
           });
}

bool is_token_uuid(std::string_view text) {
    return text.size() == uuid_length && is_cluster_id(text.substr(0, 5)) && text.substr(5, 7) == "-gj3su-";
}

bool is_of(std::string_view uuid, std::string_view cluster) {
    return uuid.substr(0, 5) == cluster;
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

/// In clear, or salted for us or for a cluster that asks us about it.
bool is_anonymous_secret(std::string_view secret, const token_settings &settings) {
    const auto salted_for = [&](const std::string &cluster) {
        return equal_secrets(secret, hmac(EVP_sha1(), settings.anonymous_token, cluster));
    };
    if (settings.anonymous_token.empty())
        return false;
    return equal_secrets(secret, settings.anonymous_token) || salted_for(settings.cluster_id) ||
           std::any_of(settings.remote_clusters.begin(), settings.remote_clusters.end(), salted_for);
}

std::string anonymous_token_uuid(const token_settings &settings) {
    return settings.cluster_id + "-gj3su-anonymouspublic";
}

/// `v2/<uuid>/<secret>[/<extra>]`
void parse_v2(std::string_view token, const token_settings &settings, token_claim &into) {
    const auto rest = token.substr(3);
    const auto uuid = rest.substr(0, rest.find('/'));
    if (!is_token_uuid(uuid) || uuid.size() == rest.size())
        return;
    const auto secret_and_extra = rest.substr(uuid.size() + 1);
    const auto secret = secret_and_extra.substr(0, secret_and_extra.find('/'));
    if (secret.empty())
        return;
    if (secret.size() < secret_and_extra.size())
        into.extra = secret_and_extra.substr(secret.size() + 1);
    into.how = token_claim::form::v2;
    into.uuid = uuid;
    into.secret = secret;
    into.foreign = !is_of(uuid, settings.cluster_id);
    if (uuid == anonymous_token_uuid(settings) && is_anonymous_secret(secret, settings))
        into.how = token_claim::form::anonymous;
}

} // namespace

bool equal_secrets(std::string_view one, std::string_view other) {
    return one.size() == other.size() && CRYPTO_memcmp(one.data(), other.data(), one.size()) == 0;
}

token_claim parse_token(std::string_view token, const token_settings &settings) {
    token_claim claim;
    if (token.empty() || token.size() > max_token_bytes || !is_plain(token))
        return claim;
    if (token.starts_with("v2/")) {
        parse_v2(token, settings, claim);
    } else if (is_anonymous_secret(token, settings)) {
        claim.how = token_claim::form::anonymous;
    } else if (!settings.system_root_token.empty() && equal_secrets(token, settings.system_root_token)) {
        claim.how = token_claim::form::system_root;
    } else {
        claim.how = token_claim::form::v1;
        claim.secret = token;
        if (!settings.system_root_token.empty())
            claim.hashed_secret = hmac(EVP_sha256(), settings.system_root_token, token);
    }
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
    who.expires_at = row.expires_at.value_or(who.expires_at);
    who.refreshes_at = row.refreshes_at.value_or(who.refreshes_at);
    who.token_id = row.id;
    who.user_id = row.user_id;
    if (row.container)
        who.container_uuid = claim.extra;
    if (!who.alive(now_us))
        return std::nullopt;
    return who;
}

bool others_may_know(const token_claim &claim, const std::optional<token_row> &row,
                     const token_settings &settings) {
    const bool elsewhere = !settings.login_cluster.empty() && settings.login_cluster != settings.cluster_id;
    switch (claim.how) {
    case token_claim::form::v2:
        return claim.foreign;
    case token_claim::form::v1:
        // Found by its own secret, and of this cluster: it is what the row says, dead or alive.
        if (row && is_of(row->uuid, settings.cluster_id) && equal_secrets(claim.secret, row->secret))
            return false;
        return elsewhere || settings.openid_connect;
    default:
        return false;
    }
}

principal anonymous_principal(const token_settings &settings) {
    principal who;
    who.user_uuid = settings.cluster_id + "-tpzed-anonymouspublic";
    who.token_uuid = anonymous_token_uuid(settings);
    who.scopes = {"GET /"};
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
