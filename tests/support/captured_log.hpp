#pragma once

#include "server/ops/log.hpp"

#include <string>

namespace walcast::testing {

/// A logger whose lines (text form, from debug on) a test can read.
class captured_log {
  public:
    captured_log();
    ~captured_log();

    captured_log(const captured_log &) = delete;
    captured_log &operator=(const captured_log &) = delete;

    [[nodiscard]] logger &log() { return log_; }
    /// Everything written so far.
    [[nodiscard]] std::string text() const;

  private:
    int descriptor_; ///< of a file in memory
    logger log_;
};

} // namespace walcast::testing
