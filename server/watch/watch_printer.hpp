#pragma once

#include "server/watch/event_line.hpp"
#include "server/watch/watch_client.hpp"
#include "server/watch/watch_options.hpp"

#include <string>
#include <string_view>

namespace walcast {

/// A line on standard error: what happens to the connection, and why it ends.
void notice(std::string_view text);

/// Standard output: as lines for people or as JSON, coloured or not, as the options have it.
class watch_printer {
  public:
    explicit watch_printer(const watch_options &options);

    [[nodiscard]] bool as_json() const { return json_; }
    /// How to write now.
    [[nodiscard]] line_style style() const;

    /// Writes the text, whose lines are all ended, at once. Whoever reads may have seen enough: then it is to
    /// stop, without a failure.
    [[nodiscard]] frame_verdict print(std::string_view text);
    /// A message as it came, on one line.
    [[nodiscard]] frame_verdict print_json(std::string_view message);
    /// Why printing failed; empty if it did not.
    [[nodiscard]] const std::string &failure() const { return failure_; }

  private:
    bool json_;
    line_color color_;
    watch_clock clock_;
    std::string failure_;
};

} // namespace walcast
