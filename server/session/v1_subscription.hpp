#pragma once

#include "server/access/judgement.hpp"
#include "server/feed/position.hpp"
#include "server/protocol/record_encode.hpp"
#include "server/session/filter_index.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace walcast {

class v1_session;
struct grants_topic;
struct record_topic;

/// One subscription of a v1 session: a cursor in the stream. Nothing is kept for it but where it stands.
struct v1_subscription : indexed_filter {
    enum class standing : std::uint8_t {
        checking, ///< whether its user may read the record is being found out
        waiting,  ///< for the snapshot
        resuming, ///< for the changes since its token, after which comes `live`
        live,     ///< everything up to `at` has been sent
        silenced, ///< open, and sent nothing
    };

    v1_session *owner = nullptr;
    std::string id; ///< the client's name for it
    std::string topic;
    std::uint64_t hash = 0; ///< of topic, filters and columns: what its tokens hold
    bool latest = false;
    bool snapshots = true; ///< the client wants them
    standing is = standing::checking;
    position at;             ///< of the newest change that was sent, or need not be
    std::int64_t row_id = 0; ///< of the record's row there, which may be deleted and come back as another one

    // Of a record
    record_topic *record = nullptr;
    std::shared_ptr<const projection> columns;

    // Of a user's grants
    grants_topic *grants = nullptr;

    // Of either: who may see it, and where it begins
    std::shared_ptr<void> watching; ///< the judge's eye on the pair of user and record
    /// What the judge has found; nothing yet. Administrators need it not.
    std::optional<object_verdict::finding> right;
    std::optional<std::string> after; ///< the token to resume from, until that was looked at
    bool allowed = false;             ///< what counted when it was looked at last
    bool told = false;                ///< the client has been told that it exists: it is an error no more
    bool confirmed = false;           ///< that it may not be read was not yet true before it was asked for
    bool guessed = false;             ///< it resumes, and its token did not say `row_id`
    bool waits = false;               ///< for the shard to come as far as its token
    bool disturbed = false;           ///< the right was lost in between, while the session could not be told
    std::uint32_t slot_in_record = 0;

    /// There is something to see, or not to see; of events each is judged alone.
    [[nodiscard]] bool has_state() const { return record != nullptr || grants != nullptr; }
};

} // namespace walcast
