#pragma once

#include "server/access/access_change.hpp"
#include "server/access/grants_report.hpp"
#include "server/access/judgement.hpp"
#include "server/session/record_topic.hpp"
#include "server/session/services.hpp"
#include "server/session/stream_window.hpp"
#include "server/session/v1_subscription.hpp"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

namespace walcast {

/// `grants/<user uuid>`: what one user reads by the permission graph, as it is where the shard stands, and
/// the changes of the near past.
struct grants_topic {
    struct past_change {
        std::uint64_t number; ///< of the transaction
        position at;
        shared_frame body;
    };

    uuid_text user;
    std::vector<v1_subscription *> members;
    grants_watch watch;               ///< from when somebody is there who may see it
    std::optional<reading> now;       ///< nothing: the judge has yet to say
    std::vector<record_change> fresh; ///< of the transaction that is being processed
    std::deque<past_change> past;     ///< all since the transaction `past_begins`
    std::uint64_t past_begins = 0;
    std::size_t past_bytes = 0;
    bool always_alone = false; ///< reading::alone, in all of the past that is known
    bool touched = false;
    bool arrived = false; ///< `now` is there since the last settle()
    unsigned asked = 0;   ///< questions on their way of how far the database is

    /// What one topic may keep of its past, in bytes; a change with a thousand uuids each way has 60,000.
    static constexpr std::size_t most_past = std::size_t{1} << 20;

    [[nodiscard]] bool reaches(std::uint64_t number) const { return now && number >= past_begins; }
    [[nodiscard]] const past_change *find(std::uint64_t number) const;
    [[nodiscard]] shared_frame snapshot() const;
    void remember(past_change one);
    void forget_before(std::uint64_t number);
    void begin_past(std::uint64_t number);
};

/// The body of a `change`.
[[nodiscard]] shared_frame frame_of(const reading_change &change, bool all, std::int64_t committed_at_us);

/// The grants topics of one shard. Driven by its topic_hub, which tells it what the judge has reported, in
/// the order of the stream.
///
/// Changes come from the judge's reports. One of a time when nobody here watched the user, of before a
/// restart, or on another shard, is worked out of the feed when somebody resumes there: rows of permissions
/// are in it as they were and as they became. That takes that the user's own rows are all that counts, so
/// that no other row can cover the same target; where it does not suffice, the client begins anew.
class grants_desk {
  public:
    struct outside {
        services &asks;
        /// Calls back when the stream has come so far.
        std::function<void(lsn, std::function<void()>)> when_processed;
        std::function<void()> flush;
    };

    grants_desk(const stream_window &window, outside to);

    [[nodiscard]] bool empty() const { return topics_.empty(); }

    void join(v1_subscription &one, const uuid_text &user);
    void leave(v1_subscription &one);
    /// v1_session::snapshot_arrived is called when it is known; this begins to watch it.
    void want(grants_topic &topic);
    /// Likewise, when the stream has come as far as the database is now.
    void confirm(grants_topic &topic);

    /// The newest transaction that has been processed was committed at that time; 0: it is not being
    /// processed.
    void note(const grants_report &said, std::int64_t committed_at_us);
    void note(const object_verdict &said);
    /// Sends to members what has been noted.
    void settle();

    /// The transaction that each topic has to reach back to.
    struct places {
        std::unordered_map<grants_topic *, std::uint64_t> of;

        void add(grants_topic &topic, std::uint64_t from) {
            const auto at = of.try_emplace(&topic, from).first;
            at->second = std::min(at->second, from);
        }
    };
    /// grants_past.cpp: works changes out of the feed, so that the topics reach so far, if that can be done.
    void reach_back(const places &back);

    /// The stream goes on elsewhere: nothing is known.
    void begin_anew(std::uint64_t epoch);
    /// Forgets what the feed does not hold, and topics without members.
    void sweep();
    void trim();

  private:
    void touch(grants_topic &topic);
    void ask();
    void asked(const std::vector<uuid_text> &users, const record_rows &rows);
    [[nodiscard]] grants_topic *find(const uuid_text &user);

    const stream_window &window_;
    outside to_;
    std::unordered_map<uuid_text, std::unique_ptr<grants_topic>> topics_;
    std::vector<grants_topic *> touched_;
    std::vector<uuid_text> deserted_;
    std::vector<uuid_text> wanted_; ///< whose answer is "no", unless the stream is behind
    bool asking_ = false;
    std::uint64_t epoch_ = 0;
    access_change_reader changes_;
};

} // namespace walcast
