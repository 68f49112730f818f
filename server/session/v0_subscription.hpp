#pragma once

#include "server/protocol/log_id.hpp"
#include "server/session/filter_index.hpp"

#include <cstdint>
#include <limits>
#include <optional>

namespace walcast {

class v0_session;

/// A filter that a v0 session has subscribed to, and which events it has covered: an event is sent once
/// however many subscriptions match it, so a replay leaves out what an older subscription has covered.
struct subscription : indexed_filter {
    v0_session *owner = nullptr;
    std::uint64_t since = 0; ///< every journal entry from here on
    bool floating = false;   ///< `since` is not known yet: subscribed before the feed was ready
    std::optional<std::uint64_t> replayed_from; ///< and those from here on with ids over `replayed_above`
    log_id replayed_above{std::numeric_limits<std::int64_t>::min()};
    std::optional<log_id> scanned_above; ///< and rows from before the journal, with ids over this

    [[nodiscard]] bool covers(std::uint64_t number, log_id id) const {
        return number >= since || (replayed_from && number >= *replayed_from && id > replayed_above);
    }
    [[nodiscard]] bool covers_scanned(log_id id) const { return scanned_above && id > *scanned_above; }
};

} // namespace walcast
