#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace walcast {

/// Why a migration, its undoing or the look at it did not succeed. `what()` is one line for people.
class migrate_error : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// A message of PostgreSQL as one line: without `ERROR:`, with its hint in parentheses, without detail and
/// context.
[[nodiscard]] std::string one_line(std::string_view postgresql_message);

} // namespace walcast
