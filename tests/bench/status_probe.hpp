#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>

namespace walcast::bench {

/// GETs a path from 127.0.0.1 and returns the body; empty when there is no answer with status 200.
[[nodiscard]] std::string http_get(std::uint16_t port, const std::string &path, const std::string &bearer);

/// Asks the relay's /status.json again and again, on a thread of its own, how far it has decoded
/// (`source.decoded`), until that reaches a target. The thread ends then, or with the object.
class status_probe {
  public:
    status_probe(std::uint16_t port, std::string management_token, std::uint64_t target_lsn);

    /// steady_clock, in ns, when the target was first seen to be reached; nothing before.
    [[nodiscard]] std::optional<std::uint64_t> reached() const {
        const std::uint64_t at = reached_ns_;
        return at == 0 ? std::nullopt : std::optional{at};
    }

  private:
    void run(const std::stop_token &stop, std::uint16_t port, const std::string &token, std::uint64_t target);

    std::atomic<std::uint64_t> reached_ns_{0};
    std::jthread thread_;
};

} // namespace walcast::bench
