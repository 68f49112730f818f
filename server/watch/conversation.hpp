#pragma once

#include "server/watch/watch_client.hpp"

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace walcast {

/// What is said over the connections of one `walcast watch`, in one of the protocols, and what is printed of
/// it. It outlives connections: it knows where to go on.
class conversation {
  public:
    virtual ~conversation() = default;

    /// For a new connection: what is sent on it first.
    [[nodiscard]] virtual std::vector<std::string> opening() = 0;
    /// A message has come.
    [[nodiscard]] virtual frame_verdict received(std::string_view text) = 0;
    /// A signal has ended it.
    virtual void interrupted() {}

    /// The server has agreed, on this connection or on any: then address, token and wishes are as they
    /// should be, and it is worth coming back.
    [[nodiscard]] virtual bool agreed() const = 0;
    [[nodiscard]] virtual bool ever_agreed() const = 0;
    /// Why received() said stop, if not because all is done.
    [[nodiscard]] virtual const std::string &failure() const = 0;
    /// Why received() said leave.
    [[nodiscard]] virtual std::string reason_to_leave() const { return {}; }
    /// The server wants us to wait so long before we come back, at least.
    [[nodiscard]] virtual std::chrono::milliseconds retry_after() const { return {}; }
    /// The exit code when there was no failure.
    [[nodiscard]] virtual int exit_code() const { return 0; }
};

} // namespace walcast
