#pragma once

#include "db/pgoutput_messages.hpp"
#include "server/feed/transaction.hpp"

#include <boost/system/result.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>

namespace walcast {

/// Turns the changes of committed transactions into segments and hands them on, each change once.
///
/// A server that is asked again after a lost connection sends a transaction again from its start, even one
/// that was handed on in part. So the writer remembers the last position it handed on, across connections,
/// and leaves out what is not after it. One thread; owned by transaction_assembler.
class segment_writer {
  public:
    using sink = std::function<void(transaction_ptr)>;

    segment_writer(std::size_t segment_bytes, sink to);

    /// Everything up to `last` was handed on before; `complete` when that was its transaction's last segment.
    void resume_after(position last, bool complete);
    /// A new slot begins here. Its positions may be those of other changes than before: nothing is left out.
    void restart(lsn at);

    [[nodiscard]] boost::system::result<void> begin(std::uint32_t xid, lsn commit, std::int64_t committed_at);
    [[nodiscard]] boost::system::result<void> insert(const relation_ptr &table,
                                                     const pgoutput::tuple_view &row);
    [[nodiscard]] boost::system::result<void> update(const relation_ptr &table,
                                                     const pgoutput::update &change);
    [[nodiscard]] boost::system::result<void> remove(const relation_ptr &table,
                                                     const pgoutput::remove &change);
    [[nodiscard]] boost::system::result<void> truncate(const relation_ptr &table);
    [[nodiscard]] boost::system::result<void> message(std::string_view prefix, std::string_view content);
    void finish(lsn end);
    void abandon();

    [[nodiscard]] bool open() const { return open_; }
    [[nodiscard]] lsn commit() const { return commit_; }
    /// The end of the last transaction that was finished, empty ones included: nothing before it is missing.
    [[nodiscard]] lsn decoded() const { return decoded_; }
    [[nodiscard]] position last() const { return last_; }
    [[nodiscard]] bool last_complete() const { return last_complete_; }
    [[nodiscard]] std::uint64_t segments() const { return segments_; }
    [[nodiscard]] std::uint64_t empty_transactions() const { return empty_transactions_; }

  private:
    enum class verdict : std::uint8_t { store, leave_out };

    [[nodiscard]] boost::system::result<verdict> next_change();
    void put_new(const relation_ptr &table, const pgoutput::tuple_view &row);
    void put_old(const relation_ptr &table, pgoutput::old_tuple kind, const pgoutput::tuple_view &row);
    void emit(transaction_ptr segment);

    std::size_t segment_bytes_;
    sink sink_;
    transaction_builder builder_;

    bool open_ = false;
    bool discard_ = false;         ///< all of the open transaction was handed on before
    lsn commit_;                   ///< of the open transaction
    std::uint32_t next_ = 0;       ///< index of its next change
    std::uint32_t skip_until_ = 0; ///< changes before this index were handed on before

    position last_;
    bool last_complete_ = true;
    lsn decoded_;
    std::uint64_t segments_ = 0;
    std::uint64_t empty_transactions_ = 0;
};

} // namespace walcast
