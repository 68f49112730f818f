#pragma once

#include "server/access/principal.hpp"
#include "server/feed/shape_cache.hpp"
#include "server/feed/transaction.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace walcast {

/// What one change of the database does to those who hold a token: the tables and columns of Arvados that
/// decide about tokens, read out of a transaction.
struct principal_change {
    enum class subject : std::uint8_t {
        token,     ///< the token `id`
        user,      ///< the user `id`
        container, ///< the container `uuid`, for which tokens may be good only while it runs
        all,       ///< every token, or every user: the table was emptied
    };
    subject of = subject::all;
    std::int64_t id = 0;
    std::string uuid;  ///< empty where the change does not say
    bool gone = false; ///< deleted, merged into another, or ended
    // What is not said has not changed
    std::optional<std::int64_t> user_id; ///< of a token: whose it is
    std::optional<std::int64_t> expires_at, refreshes_at;
    std::optional<std::vector<std::string>> scopes;
    std::optional<bool> is_admin, is_active;
};

/// Finds such changes. Remembers where each relation has its columns, so use one per thread and keep it.
class principal_reader {
  public:
    [[nodiscard]] std::optional<principal_change> read(const transaction &of, const change &in);

  private:
    enum class kind : std::uint8_t { other, tokens, users, containers };
    struct places {
        kind is = kind::other;
        int id = -1, uuid = -1, user_id = -1, expires_at = -1, refreshes_at = -1, scopes = -1, is_admin = -1,
            is_active = -1, redirected = -1, state = -1;
    };
    [[nodiscard]] static places look_at(const relation &table);

    shape_cache<places> known_;
};

/// Whether the change is about this token or its user. Ids say so, uuids where there is no row.
[[nodiscard]] bool concerns(const principal_change &what, const principal &who);

/// Brings `who` up to date with a change that concerns it and was committed at that time. False if that
/// cannot be told: the token is another user's now, and must be looked up.
[[nodiscard]] bool apply(const principal_change &what, std::int64_t committed_at_us, principal &who);

} // namespace walcast
