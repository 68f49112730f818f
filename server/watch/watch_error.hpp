#pragma once

#include <stdexcept>

namespace walcast {

/// Why watching cannot go on, in one line for the user. Never holds a token.
class watch_error : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

} // namespace walcast
