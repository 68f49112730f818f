#pragma once

#include "db/async_connection.hpp"
#include "db/event_memory.hpp"
#include "server/feed/transaction.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace walcast {

/// Reads from the table what a new slot will not bring: the events that committed before it begins.
///
/// Nobody can say when a slot is lost that nothing committed between what was read of it and its successor.
/// So the slot is made within a transaction (replication_fsm::slot_made), whose snapshot shows exactly the
/// commits that the stream will not have; what of it was never handed over (event_memory) is missing:
///
///     old slot, read up to here       dropped           new slot begins
///     ──────────────┤                    ×                    ├──────────
///                    commits of this time: not in either, but in the snapshot
///
/// Rows come in commit order if the server keeps commit times (track_commit_timestamp), otherwise PostgreSQL
/// does not know it, and they come in the order of their ids. A coroutine on the replication connection.
class slot_catch_up {
  public:
    template <class T>
    using awaitable = async_connection::awaitable<T>;
    /// Takes rows as transactions of one insert; may suspend while the receivers are overloaded.
    using receiver = std::function<awaitable<void>(std::vector<transaction_ptr>)>;

    /// `at` is the position that the rows get: where the slot begins. Throws connection_error throughout.
    slot_catch_up(async_connection &on, event_memory &memory, lsn at)
        : on_(on)
        , memory_(memory)
        , at_(at) {}

    /// What is in the table is past, or comes by the slot: the first time with a database, for good;
    /// otherwise another relay may have been at work.
    [[nodiscard]] awaitable<void> note_past();
    /// Rows by id, in this order, as far as they still exist. What is handed over is taken out of `ids`, so
    /// that a connection that breaks in between can be gone on from.
    [[nodiscard]] awaitable<std::uint64_t> read_rows(std::vector<std::int64_t> &ids, const receiver &to);
    /// What was never handed over.
    [[nodiscard]] awaitable<std::uint64_t> read_missed(const receiver &to);

  private:
    [[nodiscard]] awaitable<query_result> ask(std::string text);

    async_connection &on_;
    event_memory &memory_;
    lsn at_;
};

} // namespace walcast
