#pragma once

#include "db/query_pool.hpp"
#include "server/access/principal.hpp"
#include "server/access/token_rules.hpp"
#include "server/ops/log.hpp"

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace walcast {

/// Finds out who a token speaks for, for all shards: one query for a token however many clients come with it
/// at once, and an answer that is remembered for a few seconds.
///
/// Remembers tokens by their SHA-256 only. From any thread; answers come on a thread of the query pool, or at
/// once.
class token_service {
  public:
    using answer = std::function<void(std::optional<principal>)>;

    token_service(token_settings settings, query_pool &queries);

    void find(const std::string &token, answer then);

  private:
    struct entry {
        std::vector<answer> waiting; ///< not empty: a query is under way
        std::optional<principal> who;
        std::int64_t answered_at_us = 0;
    };

    void answered(const std::string &key, std::optional<principal> who);
    void forget_old(std::int64_t now_us);

    token_settings settings_;
    query_pool &queries_;
    std::mutex mutex_; ///< guards entries_
    std::unordered_map<std::string, entry> entries_;
};

} // namespace walcast
