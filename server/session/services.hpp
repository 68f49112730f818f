#pragma once

#include "server/access/audience.hpp"
#include "server/access/uuid_text.hpp"
#include "server/access/verdict.hpp"
#include "server/feed/transaction.hpp"
#include "server/feed/visibility.hpp"
#include "server/protocol/log_id.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace walcast {

/// Rows of `logs` read from the table, each as a transaction of one insert.
struct log_rows {
    std::vector<transaction_ptr> rows;
    bool more = false;   ///< a limit was reached: ask again after `last`
    log_id last{};       ///< the id that was looked at last
    bool exists = false; ///< scan: the row `after` itself is in the table
    bool failed = false; ///< the query did; nothing is known, not even that there is no row: ask again
    lsn as_of;           ///< every commit visible to the query ends at or before this; zero if unknown
};

/// Rows of records as one snapshot shows them.
struct record_rows {
    bool failed = false;  ///< the query did; nothing is known
    bool primary = false; ///< it was asked where snapshots say what is in progress
    std::optional<visibility> seen;
    lsn insert_lsn;                    ///< the log's end when the snapshot had been taken
    std::vector<transaction_ptr> rows; ///< inserts of the rows that exist
};

/// What to read when the feed does not reach back far enough.
struct log_scan {
    log_id after{}; ///< rows with greater ids, in the order of ids
    bool first =
        true; ///< the first page: begins no earlier than the replay window, and says whether `after` exists
    std::uint32_t limit = 500;
};

/// A user's grants that are watched.
struct grants_watch {
    std::shared_ptr<void> held; ///< until this is destroyed
    std::uint64_t ticket = 0;   ///< reports with it, or a greater one, are as of now or later
};

/// What sessions ask of the database. Answers come later, on the shard's thread; a database that is away
/// delays them and does not fail them; one that answers with an error does. Whoever asks makes sure that it
/// still exists when the answer comes.
class services {
  public:
    virtual ~services() = default;

    /// Who a token speaks for. An answer to a question that was asked before this time (microseconds since
    /// 1970) will not do.
    virtual void authenticate(std::string token, std::int64_t not_before_us,
                              std::function<void(const verdict &)> then) = 0;
    /// Has the user's grants followed, until what is returned is destroyed. `ready` is called when the user
    /// is part of the audiences that come.
    [[nodiscard]] virtual std::shared_ptr<void> follow(const std::string &user_uuid,
                                                       std::function<void(reader_id)> ready) = 0;
    /// Which of these objects the reader may read now.
    virtual void decide(reader_id who, std::vector<uuid_text> objects,
                        std::function<void(std::vector<bool>)> then) = 0;
    /// Has the judge say, until what is returned is destroyed, whether the reader may read the object: once
    /// as soon as it is known, and whenever that changes, in the judgements that come (object_verdict). The
    /// reader is one that follow() called ready, and is still followed.
    [[nodiscard]] virtual std::shared_ptr<void> watch(reader_id who, const uuid_text &object) = 0;
    /// Has the judge say what the user reads by the permission graph, as it is and whenever a transaction has
    /// changed it, in the judgements that come (grants_report). Nothing has to be known about the user.
    [[nodiscard]] virtual grants_watch watch_grants(const uuid_text &user) = 0;
    /// The rows that still exist, in the order of `ids`; if they are large, with `more`, only those up to the
    /// id `last`.
    virtual void read_logs(std::vector<log_id> ids, std::function<void(log_rows)> then) = 0;
    virtual void scan_logs(log_scan what, std::function<void(log_rows)> then) = 0;
    /// The newest rows of these records; without any, only what a query sees now.
    virtual void read_records(std::vector<uuid_text> objects, std::function<void(record_rows)> then) = 0;
    /// Calls back after a while.
    virtual void after(std::chrono::milliseconds delay, std::function<void()> then) = 0;
    /// Calls back when everything that a query with this `as_of` could see has gone through the feed of this
    /// shard.
    virtual void barrier(lsn as_of, std::function<void()> then) = 0;
};

} // namespace walcast
