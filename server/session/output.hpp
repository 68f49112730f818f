#pragma once

#include "server/protocol/frame.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace walcast {

/// WebSocket close codes that walcast sends (RFC 6455 §7.4.1 and the IANA registry).
enum class close_code : std::uint16_t {
    policy_violation = 1008, ///< a limit of the configuration
    internal_error = 1011,
    service_restart = 1012, ///< the relay ends, and is probably started again: come back
    try_again_later = 1013, ///< too far behind to be caught up
};

/// Where a session's messages go: one client's connection, seen from above.
///
/// Nothing here blocks, fails or calls back into the session: messages are queued, flush() writes what the
/// socket takes, and the connection reports trouble later, from its own turn of the event loop. So a session
/// may be called while others are walked.
class output {
  public:
    virtual ~output() = default;

    /// Queues one text message made of `prefix`, which is copied, and the shared body.
    virtual void send(std::string_view prefix, const shared_frame &body) = 0;
    /// Writes what is queued, as far as the socket takes it now.
    virtual void flush() = 0;
    /// Bytes queued and not yet taken by the socket: the measure of back-pressure.
    [[nodiscard]] virtual std::size_t queued_bytes() const = 0;
    /// Sends a Close frame after what is queued, and ends the connection.
    virtual void close(close_code code, std::string_view reason) = 0;
    /// Calls protocol_session::writable() once, from a later turn, when less than half of the outbox' bound
    /// is queued.
    virtual void request_writable() = 0;
    /// Looks at protocol_session::wants_input() again.
    virtual void resume_input() = 0;
};

} // namespace walcast
