#include "server/token_service.hpp"

#include "db/token_reader.hpp"
#include "server/ops/clock.hpp"

#include <array>
#include <openssl/evp.h>
#include <utility>

namespace walcast {

namespace {

constexpr std::int64_t remembered_us = 3'000'000;
constexpr std::size_t most_entries = 20'000;

std::string digest(const std::string &token) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> bytes;
    unsigned size = 0;
    EVP_Digest(token.data(), token.size(), bytes.data(), &size, EVP_sha256(), nullptr);
    return {reinterpret_cast<const char *>(bytes.data()), size};
}

token_row to_row(const stored_token &from) {
    token_row row{.id = from.id,
                  .user_id = from.user_id,
                  .uuid = from.uuid,
                  .secret = from.secret,
                  .scopes = from.scopes,
                  .user_uuid = from.user_uuid,
                  .is_admin = from.is_admin,
                  .is_active = from.is_active,
                  .expires_at = from.expires_at,
                  .refreshes_at = from.refreshes_at};
    if (from.has_container)
        row.container = token_row::container_row{from.container_state, from.container_auth_uuid,
                                                 from.container_runtime_token};
    return row;
}

} // namespace

token_service::token_service(token_settings settings, query_pool &queries)
    : settings_(std::move(settings))
    , queries_(queries) {}

void token_service::find(const std::string &token, answer then) {
    auto claim = parse_token(token, settings_);
    if (claim.how == token_claim::form::nothing)
        return then(std::nullopt);
    if (claim.how == token_claim::form::anonymous)
        return then(anonymous_principal(settings_));
    if (claim.how == token_claim::form::system_root)
        return then(system_root_principal(settings_));
    const auto key = digest(token);
    const auto now = unix_microseconds();
    {
        std::unique_lock lock(mutex_);
        if (entries_.size() > most_entries)
            forget_old(now);
        auto &known = entries_[key];
        if (known.waiting.empty() && now - known.answered_at_us < remembered_us) {
            const auto who = known.who;
            lock.unlock();
            return then(who && who->alive(now) ? who : std::nullopt);
        }
        known.waiting.push_back(std::move(then));
        if (known.waiting.size() > 1)
            return;
    }
    queries_.submit(
        [this, key, claim = std::move(claim)](pqxx::connection_base &on) {
            const auto stored =
                claim.how == token_claim::form::v2
                    ? find_token_by_uuid(on, claim.uuid, claim.extra)
                    : find_token_by_secret(on, claim.secret,
                                           claim.hashed_secret.empty() ? claim.secret : claim.hashed_secret);
            answered(key, stored ? judge_token(claim, to_row(*stored), settings_, unix_microseconds())
                                 : std::nullopt);
        },
        [this, key] { answered(key, std::nullopt); });
}

void token_service::answered(const std::string &key, std::optional<principal> who) {
    std::vector<answer> waiting;
    {
        const std::scoped_lock lock(mutex_);
        auto &known = entries_[key];
        known.who = who;
        known.answered_at_us = unix_microseconds();
        waiting = std::exchange(known.waiting, {});
    }
    for (const auto &then : waiting)
        then(who);
}

void token_service::forget_old(std::int64_t now_us) {
    std::erase_if(entries_, [&](const auto &one) {
        return one.second.waiting.empty() && now_us - one.second.answered_at_us >= remembered_us;
    });
}

} // namespace walcast
