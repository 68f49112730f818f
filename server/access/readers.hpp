#pragma once

#include "server/access/object_cache.hpp"
#include "server/access/uuid_text.hpp"

#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace walcast {

/// Groups that are trashed and frozen, with all that lies below them (facts: trashed_groups, frozen_groups).
struct hidden_groups {
    std::unordered_map<uuid_text, std::int64_t> trashed; ///< when; may lie in the future
    std::unordered_set<uuid_text> frozen;

    [[nodiscard]] bool is_frozen(const uuid_text &group) const { return frozen.contains(group); }

    /// Nothing: it is not trashed.
    void set_trashed(const uuid_text &group, std::optional<std::int64_t> at_us) {
        if (at_us)
            trashed[group] = *at_us;
        else
            trashed.erase(group);
    }
    void set_frozen(const uuid_text &group, bool is_frozen_now) {
        if (is_frozen_now)
            frozen.insert(group);
        else
            frozen.erase(group);
    }
};

/// One reason for which users may read an object; administrators need none.
struct reader_term {
    enum class kind : std::uint8_t {
        everyone,
        active_users, ///< a role group that is visible to all
        user,         ///< the one with this uuid
        user_number,  ///< the one whose row has this `id`
        reaches,      ///< who has a grant on this uuid
        owns,         ///< who has one that covers what this uuid owns
    };
    kind what;
    std::uint8_t level = 1;
    uuid_text uuid;
    std::int64_t number = 0;
};

/// Who may read an object: whoever meets one of the terms. Unless something is not known; then what.
struct reader_rule {
    std::vector<reader_term> terms;
    std::vector<uuid_text> missing;

    [[nodiscard]] bool known() const { return missing.empty(); }
};

/// What a rule looked at: as long as nothing of it changes, and the time does not come, it stays as it is.
struct rule_trace {
    /// Objects, what they are linked to, owners, and the terms' uuids; some more than once.
    std::vector<uuid_text> consulted;
    /// The next moment at which something is trashed that is not yet, microseconds since 1970 UTC.
    std::int64_t until_us = object_facts::never;
};

/// The rules of the Arvados API for `GET /arvados/v1/<class>/<uuid>?include_trash=true`, which is what
/// arvados-ws asks for every event (facts: permission model), for users who are not administrators.
///
/// The rules say nothing about any one user, so an event is looked at once however many there are.
class reader_rules {
  public:
    explicit reader_rules(bool roles_visible_to_all)
        : roles_visible_to_all_(roles_visible_to_all) {}

    /// Of a uuid; of a content_key: who may read any collection with that content; of a managers_key: the
    /// user, and who can manage it. `at_us`, microseconds since 1970 UTC, decides what is trashed by then.
    [[nodiscard]] reader_rule readers_of(std::string_view uuid, object_cache &objects,
                                         const hidden_groups &hidden, std::int64_t at_us,
                                         rule_trace *trace = nullptr) const;

  private:
    bool roles_visible_to_all_; ///< Users.RoleGroupsVisibleToAll
};

/// The object that decides who may read an event: the owner of one that was deleted, or itself.
[[nodiscard]] inline std::string_view object_that_decides(std::string_view event_type,
                                                          std::string_view object_uuid,
                                                          std::string_view object_owner_uuid) {
    return event_type == "delete" ? object_owner_uuid : object_uuid;
}

/// The same as a key: its uuid, or the content_key of a portable data hash; empty for anything else. `Event`
/// has these three.
template <class Event>
[[nodiscard]] uuid_text deciding_key(const Event &of) {
    const auto text = object_that_decides(of.event_type, of.object_uuid, of.object_owner_uuid);
    return text.size() > uuid_text::full ? content_key(text) : uuid_text(text);
}

} // namespace walcast
