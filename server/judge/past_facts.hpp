#pragma once

#include "server/access/access_change.hpp"
#include "server/access/object_facts.hpp"
#include "server/feed/transaction.hpp"
#include "server/protocol/event.hpp"

#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace walcast {

/// What objects were before transactions that have yet to be judged changed them.
///
/// An update in the stream has the new row alone. But with each change that goes through its API, Arvados
/// writes in the same transaction a row of `logs` with the old attributes; of the first transaction that
/// touches an object they say how it was before. Where there is none, an update is taken for one that changed
/// nothing that matters here: nearly always it is a priority, or what keep-balance has found.
class past_facts {
  public:
    /// Looks at the transactions in the order of the stream; their changes are added to `found`, too.
    void add(const transaction &next, event_reader &events, access_change_reader &changes,
             std::vector<access_change> &found);

    enum class answer : std::uint8_t { untouched, known, guessed };
    /// `into` is set, unless it is untouched.
    [[nodiscard]] answer find(const uuid_text &uuid, object_facts &into) const;
    /// Requests that had this container, or collections that had this content, and have it no more.
    [[nodiscard]] std::vector<uuid_text> linked_to(const uuid_text &what) const;

  private:
    /// What a change makes of an object.
    struct touch {
        change_kind how;
        object_facts after;
    };
    struct past {
        object_facts facts;
        bool sure;
    };
    std::unordered_map<uuid_text, past> before_;
};

/// What `properties` of a `logs` row say about the object before; nothing if they say nothing.
[[nodiscard]] std::optional<object_facts> old_facts(std::string_view event_type, object_class what,
                                                    std::string_view uuid, std::string_view properties);

} // namespace walcast
