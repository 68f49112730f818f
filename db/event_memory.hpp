#pragma once

#include "db/id_log.hpp"
#include "db/id_set.hpp"
#include "server/feed/transaction.hpp"
#include "server/ops/log.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace walcast {

/// Which rows of `logs` a source has handed over, and in which order: the newest in a file (id_log), so that
/// a source that is started again knows too.
///
/// Rows that a source could not see commit (no slot was there, nobody listened) are found by what is not in
/// here. A row gets its id long before it commits, so ids lower than the greatest are looked for as well, as
/// far back as `reach`. A file that cannot be kept is a warning: then only restarts forget. One thread, the
/// source's.
class event_memory {
  public:
    /// How far back ids are remembered: a row that commits unseen when this many others have got later ids
    /// would be missed.
    static constexpr std::int64_t reach = 200'000;

    /// `file` may be empty: nothing outlives the process.
    event_memory(std::string file, logger &log);

    /// Tells which database this is, by text that no other has; of another database everything is forgotten.
    /// Returns the newest of what the file knows, in the order that it was handed over: rows worth reading
    /// again, for clients that come back. Once: later nothing.
    [[nodiscard]] std::vector<std::int64_t> open(const std::string &database);

    /// What is not in here was not handed over. False for a database that was never seen before: then note()
    /// what counts as past, and begin().
    [[nodiscard]] bool begun() const { return begun_; }
    void begin() { begun_ = true; }
    [[nodiscard]] bool contains(std::int64_t id) const { return seen_.contains(id) || past_.contains(id); }
    /// Ids up to this one are not looked for, with `greatest` in the table.
    [[nodiscard]] std::int64_t floor(std::int64_t greatest) const;

    /// These are being handed over, or count as past. Before they are: then a kill in between repeats
    /// nothing.
    void note(std::span<const std::int64_t> ids);
    /// The rows of `logs` that a batch inserts: one write for all of them.
    void note(std::span<const transaction_ptr> handed_over);
    /// These were handed over by another relay, or are about to be by this one. Only this process remembers.
    void note_past(std::span<const std::int64_t> ids);

  private:
    void collect(const transaction &from, std::vector<std::int64_t> &ids);

    std::string database_;
    id_log file_;
    id_set seen_; ///< those in the file
    id_set past_;
    bool begun_ = false;
    logger &log_;
    std::uint64_t logs_ = 0; ///< relation::id of the shape that `place_` is of
    int place_ = -1;
};

} // namespace walcast
