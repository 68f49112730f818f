#pragma once

#include "server/access/audience.hpp"
#include "server/protocol/frame.hpp"
#include "server/protocol/log_id.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <unordered_map>
#include <utility>

namespace walcast {

/// One event, as the journal remembers it.
struct journal_entry {
    std::uint64_t
        segment;          ///< the feed's number of the segment that holds the row, for as long as it holds it
    std::uint32_t change; ///< the row's place in the segment
    bool unsendable = false; ///< encoding was tried and cannot succeed
    log_id id;
    shared_frame frame;   ///< the encoded event, while recent; null before it is first wanted
    audience_ptr readers; ///< administrators aside; null: not judged at its commit, or not yet
};

/// The commit order of the rows of `logs`, remembered for much longer than the rows themselves.
///
/// The order in which events committed cannot be read from the table afterwards: ids are given out before the
/// commit, and PostgreSQL keeps no commit times by default. So the journal keeps it, 56 bytes an event: a
/// client that is further behind than the feed reaches has its rows read again by id, in this order. Entries
/// are numbered without gaps; those numbers are the cursors of v0 sessions.
class event_journal {
  public:
    /// Keeps at most `entries`, and the encoded frames of the newest `frame_bytes`.
    event_journal(std::size_t entries, std::size_t frame_bytes)
        : most_entries_(entries)
        , most_frame_bytes_(frame_bytes) {}

    void append(std::uint64_t segment, std::uint32_t change, log_id id);

    [[nodiscard]] std::uint64_t first() const { return first_; }
    [[nodiscard]] std::uint64_t end() const { return first_ + entries_.size(); }
    [[nodiscard]] const journal_entry &operator[](std::uint64_t number) const {
        return entries_[number - first_];
    }
    /// The number of the entry with this id.
    [[nodiscard]] std::optional<std::uint64_t> find(log_id id) const;

    void keep_frame(std::uint64_t number, shared_frame frame);
    void set_readers(std::uint64_t number, audience_ptr to) {
        entries_[number - first_].readers = std::move(to);
    }
    void mark_unsendable(std::uint64_t number) { entries_[number - first_].unsendable = true; }

  private:
    std::size_t most_entries_;
    std::size_t most_frame_bytes_;
    std::deque<journal_entry> entries_;
    std::unordered_map<log_id, std::uint64_t> numbers_;
    std::uint64_t first_ = 0;
    std::deque<std::uint64_t> framed_; ///< entries with a frame, in the order that they got one
    std::size_t frame_bytes_ = 0;
};

} // namespace walcast
