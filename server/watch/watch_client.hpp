#pragma once

#include "server/watch/watch_options.hpp"
#include "server/watch/watch_url.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace walcast {

enum class ending : std::uint8_t {
    stopped,     ///< as wanted: by a signal or by the handler
    left,        ///< by the handler
    lost,        ///< it was open, and then was not
    unreachable, ///< it never opened; later it may
    impossible,  ///< trying again would change nothing
};

/// How a connection ended, and why in words for the user; no reason when it was stopped.
struct connection_end {
    ending how = ending::stopped;
    std::string why;
};

enum class frame_verdict : std::uint8_t {
    go_on,
    leave, ///< say goodbye on this connection: it is lost, as it were
    stop,  ///< say goodbye for good
};

/// The WebSocket side of `walcast watch`: one connection after the other to one server, over TCP or TLS.
///
/// The caller alternates between run(), which blocks for as long as a connection lives, and pause(). All of
/// it is on the caller's thread. From construction to destruction SIGINT and SIGTERM end whichever of the two
/// is under way, and every later one at once; a second signal ends the process. A server that is gone without
/// a word is noticed by pings. Boost.Beast stays within the source file: it is what takes long to compile.
class watch_client {
  public:
    using frame_handler = std::function<frame_verdict(std::string_view)>;

    /// A longer message ends the connection for good: after the next connect it would only come again.
    static constexpr std::size_t max_message = std::size_t{64} << 20;

    watch_client(watch_url where, certificate_check check);
    ~watch_client();
    watch_client(const watch_client &) = delete;
    watch_client &operator=(const watch_client &) = delete;

    /// Connects, sends each message of `opening`, and hands each message that comes to the handler.
    [[nodiscard]] connection_end run(const std::vector<std::string> &opening, const frame_handler &handler);

    enum class pause_end : std::uint8_t { over, stopped };
    [[nodiscard]] pause_end pause(std::chrono::milliseconds length);

  private:
    class impl;
    std::unique_ptr<impl> impl_;
};

} // namespace walcast
