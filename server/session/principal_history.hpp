#pragma once

#include "server/access/principal.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <optional>
#include <utility>

namespace walcast {

/// Who a session speaks for, by the journal entry: a session that is behind sends each event by what counted
/// when it was committed, not by what counts by the time there is room. What it stands for from some entry on
/// may be unknown for a while; then nothing from there on is sent until it is known.
class principal_history {
  public:
    struct stand {
        std::uint64_t from = 0;
        bool known = false;
        std::optional<principal> who; ///< nobody: the token is not good
        /// Its token allows whatever its user may do, whenever: what every delivery asks, without a look at
        /// the scopes' far memory.
        bool unlimited = false;
    };

    /// What counts now.
    [[nodiscard]] const stand &now() const { return stands_.back(); }
    [[nodiscard]] const stand &at(std::uint64_t number) const {
        auto found = stands_.rbegin();
        while (found->from > number && std::next(found) != stands_.rend())
            ++found;
        return *found;
    }
    /// The first entry about which nothing is known yet.
    [[nodiscard]] std::uint64_t known_until() const {
        return now().known ? std::numeric_limits<std::uint64_t>::max() : now().from;
    }

    /// From here on it is this one, or nobody. What was unknown is known thereby.
    void set(std::uint64_t from, std::optional<principal> who) {
        put({now().known ? from : now().from, true, std::move(who), false});
    }
    /// From here on it is unknown.
    void doubt(std::uint64_t from) {
        if (now().known)
            put({from, false, std::nullopt, false});
    }
    /// Entries before this one are done with.
    void forget_before(std::uint64_t number) {
        while (stands_.size() > 1 && stands_[1].from <= number)
            stands_.pop_front();
    }
    /// Whether any stand but the last one may still count, for entries from `number` on.
    template <class Condition>
    [[nodiscard]] bool any_from(std::uint64_t number, Condition &&holds) const {
        for (std::size_t place = 0; place < stands_.size(); ++place)
            if ((place + 1 == stands_.size() || stands_[place + 1].from > number) && stands_[place].who &&
                holds(*stands_[place].who))
                return true;
        return false;
    }

  private:
    void put(stand next) {
        next.unlimited = next.who && next.who->exists && !next.who->ends() && next.who->unlimited();
        while (!stands_.empty() && stands_.back().from >= next.from)
            stands_.pop_back();
        stands_.push_back(std::move(next));
        // Somebody changes a user's rights all the time while the session cannot send: what counted longest
        // ago is forgotten, and nothing is sent for it.
        if (stands_.size() > most_stands) {
            stands_.pop_front();
            stands_.front().who.reset();
            stands_.front().unlimited = false;
        }
    }

    static constexpr std::size_t most_stands = 64;
    std::deque<stand> stands_{stand{}};
};

} // namespace walcast
