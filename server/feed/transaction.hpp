#pragma once

#include "server/feed/position.hpp"
#include "server/feed/relation.hpp"
#include "server/feed/value.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace walcast {

enum class change_kind : std::uint8_t {
    insert,
    update,
    remove,   ///< a DELETE
    truncate, ///< the whole table; no row
    message,  ///< pg_logical_emit_message(true, …); no table
};

class transaction;

/// The values of one row. A view into its transaction.
class row {
  public:
    row() = default;

    [[nodiscard]] bool empty() const { return count_ == 0; }
    [[nodiscard]] std::size_t size() const { return count_; }
    /// The value of a column by its place in the relation; `absent` when out of range.
    [[nodiscard]] value operator[](int column) const;

  private:
    friend class transaction;
    row(const transaction *owner, std::uint32_t first, std::uint32_t count)
        : owner_(owner)
        , first_(first)
        , count_(count) {}

    const transaction *owner_ = nullptr;
    std::uint32_t first_ = 0;
    std::uint32_t count_ = 0;
};

/// One change of a transaction, as stored. Rows are read through transaction::new_row and old_row.
struct change {
    change_kind kind{};
    std::uint32_t index = 0;                    ///< within the whole transaction, not within the segment
    const class relation *table = nullptr;      ///< null for a message; lives as long as the transaction
    std::uint32_t new_first = 0, new_count = 0; ///< cells; for a message: prefix and content
    std::uint32_t old_first = 0,
                  old_count = 0; ///< cells; the old key or, with replica identity full, the old row
};

/// One decoded, committed transaction, or a segment of a large one. Immutable, shared between threads.
///
/// A transaction of any size arrives as one or more segments in order, each with the same commit position;
/// only the last has `last()`. That is what bounds the memory of a relay that meets a transaction of a
/// million rows. Made by transaction_builder alone.
class transaction {
  public:
    [[nodiscard]] std::uint32_t xid() const { return xid_; }
    [[nodiscard]] lsn commit() const { return commit_; }
    /// Where the commit record ends: what may be confirmed once this is handled. Set in the last segment
    /// only.
    [[nodiscard]] lsn end() const { return end_; }
    [[nodiscard]] bool last() const { return static_cast<bool>(end_); }
    /// Microseconds since 1970 UTC, the committing server's clock.
    [[nodiscard]] std::int64_t committed_at() const { return committed_at_; }
    [[nodiscard]] std::span<const change> changes() const { return changes_; }
    [[nodiscard]] position position_of(const change &of) const { return {commit_, of.index}; }

    [[nodiscard]] row new_row(const change &of) const { return {this, of.new_first, of.new_count}; }
    [[nodiscard]] row old_row(const change &of) const { return {this, of.old_first, of.old_count}; }
    /// The change's table, for who keeps it longer than the transaction.
    [[nodiscard]] relation_ptr table_of(const change &of) const;
    [[nodiscard]] std::string_view message_prefix(const change &of) const;
    [[nodiscard]] std::string_view message_content(const change &of) const;

    /// Memory held, in bytes: what the feed counts.
    [[nodiscard]] std::size_t footprint() const;

  private:
    friend class row;
    friend class transaction_builder;

    struct cell {
        value_kind kind;
        std::uint32_t size;
        std::size_t offset;
    };

    [[nodiscard]] value at(std::uint32_t cell_number) const;

    std::uint32_t xid_ = 0;
    lsn commit_;
    lsn end_;
    std::int64_t committed_at_ = 0;
    std::vector<change> changes_;
    std::vector<cell> cells_;
    std::vector<relation_ptr> relations_;
    std::string bytes_;
};

using transaction_ptr = std::shared_ptr<const transaction>;

/// Builds transactions, one after the other: begin, then for each change one of the add functions and its
/// values, then finish (the commit) or cut (a segment is full). Used by the decoder, the listener and tests;
/// one thread.
class transaction_builder {
  public:
    /// Starts a transaction. `committed_at` is in microseconds since 1970 UTC.
    void begin(std::uint32_t xid, lsn commit, std::int64_t committed_at);

    void add(change_kind kind, const relation_ptr &table);
    /// Values of the change last added, in column order; old values first or new ones first, but not mixed.
    void add_new(value_kind kind, std::string_view bytes = {});
    void add_old(value_kind kind, std::string_view bytes = {});
    void add_message(std::string_view prefix, std::string_view content);

    /// Counts a change that is not stored, because it was handed on before.
    void skip() { ++next_index_; }
    /// Makes room for so many more values of so many bytes in all; saves growing value by value.
    void expect(std::size_t values, std::size_t bytes);

    [[nodiscard]] bool open() const { return static_cast<bool>(current_); }
    /// Bytes and changes gathered since begin or the last cut.
    [[nodiscard]] std::size_t footprint() const;
    [[nodiscard]] bool empty() const { return !current_ || current_->changes_.empty(); }

    /// Ends a segment; the transaction goes on, and its change numbers too.
    [[nodiscard]] transaction_ptr cut();
    /// Ends the transaction. `end` must not be zero.
    [[nodiscard]] transaction_ptr finish(lsn end);
    /// Forgets what was begun.
    void abandon() { current_.reset(); }

  private:
    std::uint32_t add_cell(value_kind kind, std::string_view bytes);

    std::shared_ptr<transaction> current_;
    std::uint32_t next_index_ = 0;
};

} // namespace walcast
