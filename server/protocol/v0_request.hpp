#pragma once

#include "server/protocol/event_filter.hpp"
#include "server/protocol/log_id.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace walcast {

struct v0_subscribe {
    event_filter filter;
    std::optional<log_id> last_log_id; ///< absent, null and 0 all mean: no replay
};

/// Removes the first subscription whose filter has this canonical form.
struct v0_unsubscribe {
    std::string canonical;
};

/// An empty message: no reply at all.
struct v0_empty {};

/// Anything else: `{"status":400}`, and the connection lives.
struct v0_bad_request {};

using v0_request = std::variant<v0_subscribe, v0_unsubscribe, v0_empty, v0_bad_request>;

/// Reads one client message, from a text or a binary frame. As lenient as arvados-ws: keys are matched
/// without case, unknown keys are skipped, the last of equal keys counts. Time and memory are linear in the
/// length, whatever the bytes.
[[nodiscard]] v0_request parse_v0_request(std::string_view message);

} // namespace walcast
