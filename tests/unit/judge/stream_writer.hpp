#pragma once

#include "server/feed/batch.hpp"
#include "server/feed/transaction.hpp"

#include <cstdint>
#include <fmt/format.h>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace walcast::testing {

/// A stream of transactions as a source would bring it, for tests that are the database, too. The n-th one
/// has the number n and its commit record at 1,000 + 10 n.
class stream_writer {
  public:
    using text = std::optional<std::string>;

    std::int64_t now = 1; ///< when what comes next is committed, microseconds since 1970
    bool exact = true;
    std::uint64_t epoch = 1;

    /// A change of a row, in the transaction that is open; empty: there is no row before, or none after.
    void add(const relation_ptr &to, const std::vector<text> &before, const std::vector<text> &after) {
        if (before.empty() && after.empty())
            return;
        open();
        builder_.add(before.empty()  ? change_kind::insert
                     : after.empty() ? change_kind::remove
                                     : change_kind::update,
                     to);
        for (const auto &one : before)
            builder_.add_old(one ? value_kind::text : value_kind::null, one.value_or(""));
        for (const auto &one : after)
            builder_.add_new(one ? value_kind::text : value_kind::null, one.value_or(""));
    }
    void truncate(const relation_ptr &table) {
        open();
        builder_.add(change_kind::truncate, table);
    }
    /// The transaction is committed; its first part has come.
    void finish() {
        open();
        transactions_.push_back(builder_.finish(end()));
    }
    void cut_here() {
        open();
        transactions_.push_back(builder_.cut());
    }
    /// What has come since the last call.
    [[nodiscard]] batch take_batch() {
        batch next;
        next.exact = exact;
        next.ready = true;
        next.epoch = epoch;
        next.transactions = std::exchange(transactions_, {});
        next.decoded = end();
        return next;
    }
    /// Behind the newest transaction, and a snapshot that sees it.
    [[nodiscard]] lsn end() const { return lsn{1'000 + 10 * xid_ + 5}; }
    [[nodiscard]] std::string snapshot() const { return fmt::format("{0}:{0}:", xid_ + 1); }

  private:
    void open() {
        if (!builder_.open())
            builder_.begin(++xid_, lsn{1'000 + 10 * xid_}, now);
    }

    std::uint32_t xid_ = 0;
    transaction_builder builder_;
    std::vector<transaction_ptr> transactions_;
};

} // namespace walcast::testing
