#pragma once

#include <string>
#include <string_view>

namespace walcast {

enum class transport : unsigned char { plain, tls };

/// Where a v0 server is.
struct watch_url {
    transport over = transport::plain;
    std::string host; ///< a name or an address, without brackets
    std::string port;
    std::string
        target; ///< path and query, as they go into the request line: may hold a token, so never printed
    std::string shown; ///< the URL without query, for messages
};

/// Reads `ws://host[:port][/path][?query]` with ws, wss, http or https, and puts the token, percent-encoded,
/// into the query as `api_token`, unless the URL has one there already. Without a path it is `/websocket`.
/// Throws watch_error when it is anything else, or when there is no token at all: such a client would wait
/// for ever and receive nothing.
[[nodiscard]] watch_url parse_watch_url(std::string_view url, std::string_view token);

} // namespace walcast
