#pragma once

#include <string_view>

namespace walcast {

/// One client that speaks one protocol, as its connection sees it.
///
/// A connection makes its session when it is open, calls start() once, then receive() for each message, and
/// destroys it at the end. The session answers through its `output`. A protocol is one class that implements
/// this; the connection knows none of them. Everything on the shard's thread.
class protocol_session {
  public:
    virtual ~protocol_session() = default;

    /// The session is owned by a shared_ptr now, and the connection takes messages for the client.
    virtual void start() = 0;
    /// A text message, which is valid UTF-8. The bytes are gone when the call returns.
    virtual void receive(std::string_view message) = 0;
    /// A binary message, of any bytes. Protocols that do not tell the two apart leave this as it is.
    virtual void receive_binary(std::string_view message) { receive(message); }
    /// False while nothing should be read: then no message comes until output::resume_input.
    [[nodiscard]] virtual bool wants_input() const = 0;
    /// The relay is about to close the connection because it ends.
    virtual void goodbye() {}
    /// What output::request_writable asked for: there is room again.
    virtual void writable() = 0;
};

} // namespace walcast
