#pragma once

#include "server/protocol/event.hpp"
#include "server/protocol/like_pattern.hpp"

#include <rapidjson/fwd.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace walcast {

/// The filters of one v0 subscription, compiled: conditions that must all hold. A value, immutable once
/// compiled, safe to share between threads.
///
/// What arvados-ws ignores stays ignored (lets everything through): unknown columns, unknown operators,
/// operands of another type, conditions that are not three elements long, times that do not parse.
/// docs/protocol-v0.md has the list of what is honoured. Matching never allocates.
class event_filter {
  public:
    /// More `like` and `ilike` conditions than this are refused: each costs time per event. All other
    /// conditions on one column are merged into one.
    static constexpr std::size_t max_patterns = 16;
    /// Deeper nesting is refused.
    static constexpr std::size_t max_depth = 1000;

    /// The absent list: matches everything.
    event_filter() = default;

    /// Compiles the value of `filters` as JSON text: null (the absent list) or an array of arrays. Nothing
    /// when it is neither, or goes beyond a limit above.
    [[nodiscard]] static std::optional<event_filter> compile(std::string_view json);

    [[nodiscard]] bool matches(const event &what) const;

    /// One spelling for all lists that are deeply equal: what unsubscribe compares, and what identical
    /// filters are interned by. Valid JSON; `null` for the absent list, which is not equal to the empty one.
    [[nodiscard]] std::string_view canonical() const { return canonical_; }

    /// For a topic index: when set, only events whose event_type (or object_uuid) is one of these can match;
    /// sorted, without duplicates. Matching still has to be asked. Valid as long as the filter.
    [[nodiscard]] std::optional<std::span<const std::string>> required_event_types() const;
    [[nodiscard]] std::optional<std::span<const std::string>> required_object_uuids() const;

    /// No event at all can match, for instance after `["event_type","in",[]]`.
    [[nodiscard]] bool matches_nothing() const;

    /// Memory held, in bytes: a filter list may be 2 MiB long, so a session's subscriptions are worth
    /// counting.
    [[nodiscard]] std::size_t footprint() const;

  private:
    enum class subject : std::uint8_t {
        event_type,
        object_uuid,
        object_owner_uuid,
        object_kind,       ///< what `is_a` on object_uuid looks at
        object_owner_kind, ///< what `is_a` on object_owner_uuid looks at
    };

    /// The text is, or is not, one of these.
    struct membership {
        subject of{};
        std::vector<std::string> values; ///< sorted, no duplicates
    };
    struct likeness {
        subject of{};
        like_pattern pattern;
    };
    /// Bounds on created_at, both inclusive: every operator on it narrows this one interval.
    struct interval {
        std::int64_t first = INT64_MIN;
        std::int64_t last = INT64_MAX;
    };

    /// False when there are too many patterns.
    bool add(const rapidjson::Value &condition);
    void add_time(std::string_view op, const rapidjson::Value &operand);
    void require(subject of, std::vector<std::string> values);
    void exclude(subject of, std::vector<std::string> values);
    [[nodiscard]] std::optional<std::span<const std::string>> required(subject of) const;
    [[nodiscard]] static std::string_view text_of(subject of, const event &what);

    std::string canonical_ = "null";
    std::vector<membership> required_; ///< at most one per subject: two on one subject are intersected
    std::vector<membership> excluded_; ///< at most one per subject: the union
    std::vector<likeness> like_;
    interval created_at_;
};

} // namespace walcast
