#pragma once

#include <string>
#include <string_view>

namespace walcast {

/// A message as a server-sent event (WHATWG HTML, "Server-sent events"):
///
///     event: change
///     id: AgFz…
///     data: {"op":"change",…}
///     (an empty line)
///
/// event_head() goes up to `data: `, then comes the message on one line, then event_end. An id that is empty
/// makes a browser forget the one before.
[[nodiscard]] std::string event_head(std::string_view name, std::string_view id);
constexpr std::string_view event_end = "\n\n";

/// How long a browser waits before it connects again: a line of the next event.
[[nodiscard]] std::string event_retry(unsigned milliseconds);

/// The JSON text on one line. Line ends between its tokens (a column of JSON may have some; within strings
/// they are escaped) become spaces. Empty if it is on one line as it is, as nearly all are.
[[nodiscard]] std::string on_one_line(std::string_view json);

} // namespace walcast
