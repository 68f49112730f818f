#include "server/token_service.hpp"

#include "db/token_reader.hpp"
#include "server/ops/clock.hpp"

#include <algorithm>
#include <array>
#include <openssl/evp.h>
#include <utility>

namespace walcast {

namespace {

constexpr std::int64_t second_us = 1'000'000;
/// For what the database says.
constexpr std::int64_t remembered_us = 3 * second_us;
/// For a token that the API knows to be bad: a login may be on its way.
constexpr std::int64_t refused_us = 60 * second_us;
constexpr std::int64_t longest_backoff_us = 30 * second_us;
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

const char *name_of(verdict::finding what) {
    switch (what) {
    case verdict::finding::valid:
        return "valid";
    case verdict::finding::invalid:
        return "invalid";
    case verdict::finding::unknown:
        break;
    }
    return "unknown";
}

} // namespace

token_service::token_service(token_settings settings, query_pool &queries, token_validator *others,
                             std::chrono::milliseconds refresh, token_probe &probe)
    : settings_(std::move(settings))
    , queries_(queries)
    , others_(others)
    , refresh_us_(std::chrono::microseconds(refresh).count())
    , probe_(probe) {}

void token_service::find(const std::string &token, std::int64_t not_before_us, answer then) {
    auto claim = parse_token(token, settings_);
    if (claim.how == token_claim::form::nothing)
        return then(verdict::invalid());
    if (claim.how == token_claim::form::anonymous)
        return then(verdict::always(anonymous_principal(settings_)));
    if (claim.how == token_claim::form::system_root)
        return then(verdict::always(system_root_principal(settings_)));
    auto key = digest(token);
    const auto now = unix_microseconds();
    {
        std::unique_lock lock(mutex_);
        if (entries_.size() > most_entries && now - swept_us_ > second_us)
            forget_old(now);
        auto &known = entries_[key];
        const bool recent =
            known.last.asked_at_us >= not_before_us || known.last.is == verdict::finding::unknown;
        // An answer from the future is one of before the clock was set back.
        const bool dated = known.last.is == verdict::finding::unknown
                               ? known.good_until_us - now <= longest_backoff_us
                               : known.last.asked_at_us <= now;
        const bool dead = known.last.is == verdict::finding::valid && !known.last.who.alive(now);
        if (known.waiting.empty() && now < known.good_until_us && recent && dated && !dead) {
            const auto last = known.last;
            lock.unlock();
            probe_.remembered();
            return then(last);
        }
        known.waiting.push_back(std::move(then));
        if (known.waiting.size() > 1)
            return;
    }
    ask({std::move(key), std::move(claim), token, now}, std::nullopt);
}

void token_service::ask(question what, std::optional<verdict> heard) {
    auto key = what.key;
    queries_.submit(
        [this, what = std::move(what), heard = std::move(heard)](pqxx::connection_base &on) {
            verdict found;
            const auto row = look_up(on, what, found);
            const auto now = unix_microseconds();
            if (found.is == verdict::finding::valid)
                return settle(what.key, std::move(found), now + remembered_us);
            if (heard) {
                // The database has no row that bears it out: all that is known is what was heard. It is asked
                // for again while it still holds.
                auto known = *heard;
                known.asked_at_us = what.asked_at_us;
                const auto early = std::min(refresh_us_ / 10, 10 * second_us);
                return settle(what.key, known, known.who.refreshes_at - early);
            }
            if (others_ != nullptr && others_may_know(what.claim, row, settings_))
                return ask_others(what);
            settle(what.key, std::move(found), now + remembered_us);
        },
        [this, key = std::move(key)] { settle_unknown(key); });
}

std::optional<token_row> token_service::look_up(pqxx::connection_base &on, const question &what,
                                                verdict &into) {
    const auto &claim = what.claim;
    const auto read =
        claim.how == token_claim::form::v2
            ? find_token_by_uuid(on, claim.uuid, claim.extra)
            : find_token_by_secret(on, claim.secret,
                                   claim.hashed_secret.empty() ? claim.secret : claim.hashed_secret);
    into = verdict::invalid();
    into.seen = visibility::parse(read.snapshot);
    into.as_of = read.as_of;
    into.asked_at_us = what.asked_at_us;
    if (!read.found)
        return std::nullopt;
    auto row = to_row(*read.found);
    if (auto who = judge_token(claim, row, settings_, read.now_us)) {
        into.is = verdict::finding::valid;
        into.who = std::move(*who);
    }
    return row;
}

void token_service::ask_others(question what) {
    const auto claim = what.claim;
    const auto token = what.token;
    others_->validate(claim, token, [this, what = std::move(what)](verdict heard) {
        switch (heard.is) {
        case verdict::finding::unknown:
            return settle_unknown(what.key);
        case verdict::finding::invalid:
            heard.asked_at_us = what.asked_at_us;
            return settle(what.key, std::move(heard),
                          unix_microseconds() + std::min(refresh_us_, refused_us));
        case verdict::finding::valid:
            // What controller has learned by now is in the database, where the stream tells of its end.
            return ask(what, std::move(heard));
        }
    });
}

void token_service::settle(const std::string &key, verdict found, std::int64_t good_until_us) {
    probe_.answered(name_of(found.is));
    std::vector<answer> waiting;
    {
        const std::scoped_lock lock(mutex_);
        auto &known = entries_[key];
        known.last = found;
        known.good_until_us = good_until_us;
        known.failures = 0;
        waiting = std::exchange(known.waiting, {});
    }
    for (const auto &then : waiting)
        then(found);
}

void token_service::settle_unknown(const std::string &key) {
    probe_.answered(name_of(verdict::finding::unknown));
    const auto now = unix_microseconds();
    verdict found;
    std::vector<answer> waiting;
    {
        const std::scoped_lock lock(mutex_);
        auto &known = entries_[key];
        if (known.last.is != verdict::finding::valid || known.last.seen || !known.last.who.alive(now))
            known.last = {};
        found = known.last;
        const auto longest = std::min(longest_backoff_us, second_us << std::min(known.failures++, 5U));
        known.good_until_us =
            now + std::uniform_int_distribution<std::int64_t>(longest / 2, longest)(random_);
        waiting = std::exchange(known.waiting, {});
    }
    for (const auto &then : waiting)
        then(found);
}

void token_service::forget_old(std::int64_t now_us) {
    swept_us_ = now_us;
    std::erase_if(entries_, [&](const auto &one) {
        return one.second.waiting.empty() && now_us >= one.second.good_until_us;
    });
}

} // namespace walcast
