#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace walcast::bench {

/// A program that runs as long as this object lives: started by the constructor, asked to end (SIGTERM), then
/// made to (SIGKILL), by the destructor. Its output goes to a log file, which is appended to.
class child_process {
  public:
    /// Throws std::runtime_error when the program cannot be started.
    child_process(const std::vector<std::string> &command, const std::string &log_path);
    ~child_process();
    child_process(const child_process &) = delete;
    child_process &operator=(const child_process &) = delete;

    [[nodiscard]] pid_t pid() const { return pid_; }
    /// Waits up to `limit` for the end. Returns the exit status (128 + signal when killed), nothing while it
    /// runs.
    [[nodiscard]] std::optional<int> wait(std::chrono::milliseconds limit);
    /// SIGTERM, and SIGKILL after `limit`. Returns the exit status.
    int stop(std::chrono::milliseconds limit);

  private:
    pid_t pid_ = -1;
    std::optional<int> status_;
};

} // namespace walcast::bench
