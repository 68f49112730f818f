#pragma once

#include "server/access/uuid_key.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace walcast {

/// What a row of materialized_permissions grants on its target; level 0 is nothing.
struct grant {
    std::uint8_t level = 0; ///< 1 read or login, 2 write, 3 manage
    bool owned = false;     ///< traverse_owned: what the target owns is covered too

    /// As the table has it; other levels may be in it after a full refresh, and grant nothing.
    [[nodiscard]] static grant of_row(std::int64_t perm_level, bool traverse_owned) {
        if (perm_level < 1)
            return {};
        return {static_cast<std::uint8_t>(perm_level > 3 ? 3 : perm_level), traverse_owned};
    }
    bool operator==(const grant &) const = default;
};

/// One user's targets and what is granted on each: a hash table with 12 bytes an entry, between three
/// quarters and nine tenths full, so at most 16 bytes for each target.
///
/// Entries lie in the order of their hashes, each at or behind its home, so a probe ends at the first entry
/// whose home is behind the one sought; it never looks at more than a few neighbours.
class grant_set {
  public:
    /// What is granted on the target, level 0 if it is not in the set.
    [[nodiscard]] grant find(const uuid_key &target) const;
    /// Returns what was granted before. Level 0 takes the target out.
    grant set(const uuid_key &target, grant to);
    void clear();
    void reserve(std::size_t entries);

    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] std::size_t bytes() const { return slots_.capacity() * sizeof(slot); }

    /// Calls `with` (target, grant) for each.
    template <class Function>
    void for_each(Function &&with) const {
        for (const auto &one : slots_)
            if (one != slot())
                with(key_of(one), grant_of(one));
    }

  private:
    using slot = std::array<std::uint32_t, 3>; ///< the key, and above it two bits of level and one of owned

    [[nodiscard]] static uuid_key key_of(const slot &of);
    [[nodiscard]] static grant grant_of(const slot &of);
    [[nodiscard]] static slot make(const uuid_key &target, grant of);
    [[nodiscard]] std::size_t home(const uuid_key &of) const;
    void insert(slot one);
    void erase(std::size_t place);
    void rebuild(std::size_t slots);

    /// The homes are the first `homes_`; behind them is room for those that were pushed on.
    std::vector<slot> slots_;
    std::size_t homes_ = 0;
    std::size_t size_ = 0;
};

} // namespace walcast
