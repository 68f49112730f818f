#pragma once

#include "db/coverage.hpp"
#include "db/query_pool.hpp"
#include "db/source.hpp"
#include "server/ops/log.hpp"

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace walcast {

/// Looks every few seconds whether the database still sends what the relay needs (db/coverage), says so when
/// it does not, and makes good what was missed when it does again.
///
/// What commits while `logs` is not published, or has lost a column, never comes out of the slot, also later:
/// a slot decodes each change with the catalog of its time. And on PostgreSQL 18 not even a missing
/// publication is an error. So after any change of the table's shape, and after a slot was made anew, the
/// rows that committed since the last look at which all was well are read from the table and handed to the
/// shards, which know what they have had. The race: a row may be in the table and still on its way through
/// the slot. Therefore rows are handed over only when the source has decoded as far as the log went when they
/// were read.
///
/// A thread of its own, which waits; the queries run on the pool.
class coverage_watch {
  public:
    struct hooks {
        std::function<source_status()> source;
        std::function<void(lsn)> request_position;
        /// Hands rows to every shard, which wait until their feed has got to that position; calls back when
        /// all have dealt with them.
        std::function<void(std::vector<transaction_ptr>, lsn, std::function<void()>)> fill;
    };

    coverage_watch(std::string publication, query_pool &queries, hooks outside, logger &log);
    ~coverage_watch();
    coverage_watch(const coverage_watch &) = delete;
    coverage_watch &operator=(const coverage_watch &) = delete;

    void start();
    void stop();

    // From any thread:
    /// What is wrong and what to do, in one line; empty if nothing is.
    [[nodiscard]] std::string problem() const;
    /// The same, if events are missing or secrets are sent.
    [[nodiscard]] std::string grave_problem() const;
    /// It has been looked, and nothing is wrong.
    [[nodiscard]] bool covered() const;

  private:
    void run();
    /// Asks the database; nothing if it is away, which others tell.
    [[nodiscard]] std::optional<coverage> look(bool by_slot);
    void judge(coverage now, const source_status &source);
    /// False if it has to be tried again.
    [[nodiscard]] bool make_good(const coverage &before, const coverage &now);
    /// False if the source does not get that far in time.
    [[nodiscard]] bool hand_over(std::vector<transaction_ptr> rows, lsn as_of);
    /// Runs a query on the pool and waits for it; false if it failed.
    [[nodiscard]] bool ask(std::function<void(pqxx::connection_base &)> query);

    std::string publication_;
    query_pool &queries_;
    hooks outside_;
    logger &log_;
    std::optional<coverage> whole_; ///< the last look at which every event arrived, or the first look of all
    std::string shape_;             ///< as last seen
    std::uint64_t slots_lost_ = 0;  ///< likewise
    bool gap_ = false;              ///< something may have been missed since `whole_`
    mutable std::mutex mutex_;      ///< guards the rest
    std::condition_variable wake_;
    coverage last_;
    bool looked_ = false;
    bool stopping_ = false;
    std::thread thread_;
};

} // namespace walcast
