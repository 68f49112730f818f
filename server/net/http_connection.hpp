#pragma once

#include "server/net/admission.hpp"
#include "server/net/http.hpp"
#include "server/net/outbox.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <memory>
#include <optional>
#include <string_view>

namespace walcast {

class shard;

/// The HTTP answer to a client that is not let in, as it goes over the wire.
[[nodiscard]] std::string_view farewell_of(refusal why);

/// One client before it is a WebSocket: the TLS handshake, then HTTP requests until one is an upgrade.
class http_connection {
  public:
    /// Serves until the connection ends or becomes a WebSocket. Run by the shard.
    static boost::asio::awaitable<void, executor> serve(std::shared_ptr<outbox> box, shard &home);
    /// Says why it is not served, and ends it; soon, whatever the client does.
    static boost::asio::awaitable<void, executor> refuse(std::shared_ptr<outbox> box, shard &home,
                                                         refusal why);

  private:
    /// An answer that has been made: nothing if it has been sent, or the client is gone, and the connection
    /// is to end.
    using made_answer = boost::asio::awaitable<std::optional<http_response>, executor>;
    // http_sessions.cpp: requests that a session answers. `buffer`: what was read beyond the request.
    static made_answer stream_events(std::shared_ptr<outbox> box, shard &home, const http_request &request,
                                     boost::beast::flat_buffer &buffer);
    static made_answer poll_record(std::shared_ptr<outbox> box, shard &home, const http_request &request,
                                   boost::beast::flat_buffer &buffer);
};

} // namespace walcast
