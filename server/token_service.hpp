#pragma once

#include "db/query_pool.hpp"
#include "server/access/token_rules.hpp"
#include "server/access/verdict.hpp"
#include "server/ops/token_probe.hpp"
#include "server/remote/token_validator.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

namespace walcast {

/// Finds out who a token speaks for, for all shards: the one door behind which are the database and, for
/// tokens that others have issued, the Arvados API. One question about a token however many clients come with
/// it at once, and an answer that is remembered: for seconds if the database gave it, which costs little to
/// ask and whose changes the stream brings; as long as it holds if the API gave it.
///
/// Remembers tokens by their SHA-256 only. From any thread; answers come on a thread of the query pool or of
/// the API's client, or at once.
class token_service {
  public:
    using answer = std::function<void(const verdict &)>;

    /// `others` may be null: then what the database does not know is invalid. What they say holds for
    /// `refresh`.
    token_service(token_settings settings, query_pool &queries, token_validator *others,
                  std::chrono::milliseconds refresh, token_probe &probe);

    /// `not_before_us`: an answer to a question that was asked before this time will not do.
    void find(const std::string &token, std::int64_t not_before_us, answer then);

  private:
    struct entry {
        std::vector<answer> waiting; ///< not empty: a question is under way
        verdict last;
        std::int64_t good_until_us = 0;
        unsigned failures = 0; ///< in a row
    };
    /// What a question is about, while it is under way.
    struct question {
        std::string key;
        token_claim claim;
        std::string token;
        std::int64_t asked_at_us;
    };

    /// Asks the database, and the others if it does not know. `heard`: what they said already.
    void ask(question what, std::optional<verdict> heard);
    void ask_others(question what);
    [[nodiscard]] std::optional<token_row> look_up(pqxx::connection_base &on, const question &what,
                                                   verdict &into);
    void settle(const std::string &key, verdict found, std::int64_t good_until_us);
    /// Nobody can be asked now. What was vouched for still is, until its time is over.
    void settle_unknown(const std::string &key);
    void forget_old(std::int64_t now_us);

    token_settings settings_;
    query_pool &queries_;
    token_validator *others_;
    std::int64_t refresh_us_;
    token_probe &probe_;
    std::mutex mutex_; ///< guards what follows
    std::unordered_map<std::string, entry> entries_;
    std::int64_t swept_us_ = 0;
    std::minstd_rand random_{std::random_device{}()};
};

} // namespace walcast
