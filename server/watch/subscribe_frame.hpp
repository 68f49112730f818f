#pragma once

#include "server/watch/watch_options.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace walcast {

/// The v0 subscribe that a set of options stands for.
///
/// Servers ignore a condition that they do not understand, which lets every event through, so whatever can be
/// checked is checked here. Throws watch_error.
class subscribe_frame {
  public:
    /// `now_us`, microseconds since 1970 UTC, is what `--since 10m` counts back from.
    subscribe_frame(const watch_options &options, std::int64_t now_us);

    /// `{"method":"subscribe","filters":[…],"last_log_id":N}`. `received` is the id of the event received
    /// last, if any: the server goes on after it.
    [[nodiscard]] std::string text(std::optional<std::int64_t> received) const;
    /// The conditions, a JSON array.
    [[nodiscard]] const std::string &filters() const { return filters_; }

  private:
    std::string filters_;                   ///< a JSON array
    std::optional<std::int64_t> beginning_; ///< last_log_id while nothing has been received
};

/// `--since`: a time that the server understands (UTC unless it says otherwise), or `90s`, `10m`, `2h`, `7d`
/// before now. The result is RFC 3339 in the latter case, the time as it is otherwise.
[[nodiscard]] std::optional<std::string> parse_since(std::string_view text, std::int64_t now_us);

} // namespace walcast
