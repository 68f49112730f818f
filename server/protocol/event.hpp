#pragma once

#include "server/feed/shape_cache.hpp"
#include "server/feed/transaction.hpp"
#include "server/protocol/log_id.hpp"

#include <cstdint>
#include <string_view>

namespace walcast {

/// One row of `logs` as the v0 protocol needs it. Views into the transaction it was read from.
struct event {
    log_id id{};
    std::string_view uuid;
    std::string_view object_uuid;
    std::string_view object_owner_uuid; ///< null reads as empty, as clients are sent it
    std::string_view event_type;        ///< null reads as empty, as clients are sent it
    std::int64_t event_at = 0;          ///< microseconds since 1970 UTC, within the years 0 to 9999
    std::int64_t created_at = 0;        ///< microseconds since 1970 UTC
    std::string_view properties;        ///< as stored (JSON or YAML), null reads as empty
};

/// Why a change is not an event that can be sent.
enum class event_problem : std::uint8_t {
    none,           ///< it can
    not_an_event,   ///< not an insert into a table `logs`: no reason to count it
    no_column,      ///< the table lacks a column, or has it in a type that is no text
    no_id,          ///< the row has no readable `id`
    no_uuid,        ///< null uuid
    no_object_uuid, ///< null object_uuid
    no_event_at,    ///< event_at is null, infinite, or in a year that RFC 3339 cannot write
};

/// The reason's name, for a metric's label.
[[nodiscard]] std::string_view to_string(event_problem problem);

/// Reads events out of transactions. Remembers where each relation keeps its columns, so use one per thread
/// and keep it; the relation may change its shape at any time.
class event_reader {
  public:
    /// Fills `into` when the change is an event. On any result but `none`, `into` is unspecified.
    [[nodiscard]] event_problem read(const transaction &of, const change &in, event &into);

  private:
    struct places {
        bool is_logs = false;
        bool whole = false; ///< all columns but created_at are there
        int id = -1, uuid = -1, object_uuid = -1, object_owner_uuid = -1, event_type = -1, event_at = -1,
            created_at = -1, properties = -1;
    };
    [[nodiscard]] static places look_at(const relation &table);

    shape_cache<places> known_;
};

} // namespace walcast
