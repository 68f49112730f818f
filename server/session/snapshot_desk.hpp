#pragma once

#include "server/feed/visibility.hpp"
#include "server/session/record_topic.hpp"
#include "server/session/services.hpp"
#include "server/session/stream_window.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_set>
#include <vector>

namespace walcast {

/// Joins snapshots to the stream: brings the newest rows of records, as they are exactly where the shard
/// stands.
///
/// Positions cannot join the two. A commit is in the log, and in the stream, before it is visible to a query,
/// and stays so for as long as a synchronous standby stalls:
///
///     transaction        stream                       snapshot s
///     commit record
///                        decoded, processed
///                                                     taken: does not see it
///     visible
///
/// So of each transaction it is asked whether s sees it, by its number. Which transactions are asked about:
/// not those that a *completed* snapshot has seen, as every later one sees them too; that bound is remembered
/// when a snapshot is asked for, not when its answer comes, which may be of a moment before another one's.
/// What is committed after the answer (its record begins at or behind I, where the log ended then) is in the
/// stream later. Therefore, when the shard has processed everything up to I: the rows, and upon them every
/// transaction between the bound and where the shard stands that s does not see, are the state at that place,
/// no more and no less.
///
/// What is taken for granted: that everything before the beginning of the stream is visible when the relay
/// starts (START_UNSETTLED in tests/model). So the slot is not confirmed past settled(), and a commit that
/// stalls for a synchronous standby is in the stream of the relay that starts next, however long it stalls;
/// unless more of the log is written meanwhile than the slot may hold back (RetentionBytes).
///
/// If a transaction that s does not see has left the feed meanwhile, the snapshot is taken again: never left
/// out. Questions are collected for a moment, so that a crowd of clients costs a few queries.
class snapshot_desk {
  public:
    struct outside {
        services &asks;
        /// The newest row of the record is in its topic: present or absent.
        std::function<void(record_topic &)> arrived;
        /// After some have arrived.
        std::function<void()> flush;
    };

    snapshot_desk(stream_window &window, record_index &records, outside to);

    /// Has the record's newest row read, unless that is under way.
    void want(record_topic &topic);
    /// Nobody wants it any more: it is about to be gone.
    void forget(record_topic &topic);
    /// The shard has processed more; answers that waited for that are dealt with.
    void advanced();
    /// Now and then, so that the bound follows when nobody asks. `in_use`: somebody may ask any time.
    void tick(std::int64_t now_us, bool in_use);
    /// Everything that has come and was committed before this position is visible to queries: the stream may
    /// begin here. Without a primary to ask nothing is waited for.
    [[nodiscard]] lsn settled() const;
    /// Changes are missing from the stream: asks again. `other_log`: what came before is of another database,
    /// or of another past of this one, and its transactions mean nothing.
    void begin_anew(bool other_log);

    /// Records in one question.
    static constexpr std::size_t most_records = 1'024;

  private:
    /// A question, and later its answer, which waits until the shard stands where it can be joined.
    struct question {
        std::vector<uuid_text> objects;
        std::uint64_t bound;      ///< the oldest transaction that no snapshot is known to see
        std::uint64_t generation; ///< of begin_anew
    };
    struct answered {
        question of;
        record_rows rows;
    };

    void collect();
    void ask();
    void took(question of, record_rows rows);
    /// False if it has to be asked for again.
    [[nodiscard]] bool join(const answered &one);
    void ask_again(const question &of);
    void settle(const visibility &seen);
    /// What no answer to come can be about.
    void forget_settled();

    stream_window &window_;
    record_index &records_;
    outside to_;
    std::vector<uuid_text> wanted_;
    bool collecting_ = false;
    unsigned under_way_ = 0;
    std::uint64_t asked_bound_ = 0; ///< of the question that is under way
    bool polling_ = false;
    bool primary_ = true; ///< the last answer was of one
    std::int64_t polled_at_us_ = 0;
    std::uint64_t generation_ = 0;
    std::uint64_t bound_ = 0; ///< every transaction before this one is visible to every snapshot to come
    std::vector<answered> waiting_;
};

} // namespace walcast
