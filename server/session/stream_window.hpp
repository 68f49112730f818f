#pragma once

#include "server/feed/feed.hpp"

#include <cstdint>
#include <deque>

namespace walcast {

/// The transactions of the feed by number, and up to which of them the shard has processed them: when they
/// have been judged. Numbers are those of judgement.hpp. Keeps what little is known of one for longer than
/// the feed its changes, as long as a snapshot may have to be joined to it.
class stream_window {
  public:
    struct entry {
        std::uint64_t first_segment, end_segment; ///< of the feed
        std::uint32_t xid;
        lsn commit;
        std::uint32_t events; ///< that the judge has counted with it
    };

    explicit stream_window(const feed &of)
        : feed_(of) {}

    /// A transaction is complete: its last segment is the newest of the feed. Before anything is trimmed.
    void completed(std::uint32_t events) {
        const auto &last = *feed_[feed_.end() - 1];
        entries_.push_back({open_, feed_.end(), last.xid(), last.commit(), events});
        open_ = feed_.end();
    }
    /// The last segment of what has begun to come will not come.
    void tear() { open_ = feed_.end(); }

    [[nodiscard]] std::uint64_t end() const { return base_ + entries_.size(); }
    [[nodiscard]] std::uint64_t base() const { return base_; }
    [[nodiscard]] std::uint64_t processed() const { return processed_; }
    void processed_one() { ++processed_; }
    [[nodiscard]] const entry &operator[](std::uint64_t number) const { return entries_[number - base_]; }
    /// Whether its changes are all there.
    [[nodiscard]] bool holds(std::uint64_t number) const {
        return number >= base_ && feed_.first() <= (*this)[number].first_segment;
    }
    template <class Function>
    void each_segment(std::uint64_t number, Function &&act) const {
        const auto one = (*this)[number];
        for (auto segment = one.first_segment; segment < one.end_segment; ++segment)
            act(*feed_[segment]);
    }
    [[nodiscard]] const feed &of() const { return feed_; }

    /// The first transaction with changes behind this position, among those that were processed.
    [[nodiscard]] std::uint64_t first_behind(position at) const {
        auto low = base_, high = processed_;
        while (low < high) {
            const auto middle = low + (high - low) / 2;
            if (end_of((*this)[middle].commit) > at)
                high = middle;
            else
                low = middle + 1;
        }
        return low;
    }

    /// Where the shard stands: everything up to here has been processed, nothing behind it.
    [[nodiscard]] lsn reached() const {
        return processed_ < end() ? (*this)[processed_].commit : feed_.decoded();
    }

    /// Forgets transactions whose changes are gone, up to this one.
    void forget_before(std::uint64_t number) {
        while (base_ < number && base_ < processed_ && !holds(base_)) {
            entries_.pop_front();
            ++base_;
        }
    }

  private:
    const feed &feed_;
    std::deque<entry> entries_;
    std::uint64_t base_ = 0; ///< number of the first entry
    std::uint64_t processed_ = 0;
    std::uint64_t open_ = 0; ///< the first segment of the transaction that is coming
};

} // namespace walcast
