#pragma once

#include "server/access/principal.hpp"
#include "server/feed/position.hpp"
#include "server/feed/visibility.hpp"

#include <cstdint>
#include <optional>

namespace walcast {

/// What was found out about a token.
struct verdict {
    enum class finding : std::uint8_t {
        unknown, ///< whoever would know cannot be asked now: ask again
        invalid, ///< it is known that the token is not good
        valid,   ///< `who` it speaks for
    };
    finding is = finding::unknown;
    principal who;
    /// What the query could see that this was read with; nothing if it was not read from the database, or if
    /// nothing in the database can change it.
    std::optional<visibility> seen;
    lsn as_of;                     ///< every commit visible to the query ends at or before this; zero if none
    std::int64_t asked_at_us = -1; ///< when the question was asked, microseconds since 1970; -1: timeless

    [[nodiscard]] static verdict invalid() { return {.is = finding::invalid}; }
    /// For as long as the configuration stands.
    [[nodiscard]] static verdict always(principal who) {
        return {.is = finding::valid, .who = std::move(who)};
    }
};

} // namespace walcast
