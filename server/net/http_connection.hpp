#pragma once

#include "server/net/outbox.hpp"

#include <boost/asio/awaitable.hpp>
#include <memory>

namespace walcast {

class shard;

/// One client before it is a WebSocket: the TLS handshake, then HTTP requests until one is an upgrade.
class http_connection {
  public:
    /// Serves until the connection ends or becomes a WebSocket. Run by the shard.
    static boost::asio::awaitable<void, executor> serve(std::shared_ptr<outbox> box, shard &home);
};

} // namespace walcast
