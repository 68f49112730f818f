#pragma once

#include "server/session/services.hpp"
#include "server/session/v0_subscription.hpp"

#include <cstdint>
#include <optional>

namespace walcast {

/// What a subscription with `last_log_id` is still owed.
///
/// First, if the id is older than the journal, the table is scanned for rows that are not in the journal
/// (they committed before it began). Then the journal is walked up to where the session's cursor stands, and
/// from there on the subscription is one like the others.
///
/// The race: a row may be committed and visible to the scan while its transaction is still on its way to the
/// journal. Sent from the scan it would be sent twice and out of order. So each page of the scan waits for
/// services::barrier before its rows are compared with the journal: what the page could see has then either
/// been in the journal, and is left to it, or committed before the journal began.
struct replay {
    subscription *of = nullptr;   ///< stable: nothing is unsubscribed while a replay runs
    log_id after{};               ///< last_log_id
    bool looked_up = false;       ///< whether the journal has `after` was asked
    std::optional<log_scan> scan; ///< still to be scanned
    std::uint64_t next = 0;       ///< the next journal entry
    std::uint64_t end = 0;        ///< where the session's cursor takes over
};

} // namespace walcast
