#pragma once

#include <string>
#include <string_view>

namespace walcast {

enum class transport : unsigned char { plain, tls };

enum class watch_protocol : unsigned char {
    v0, ///< `/websocket`; the token is in the URL, as Arvados' clients have it
    v1, ///< `/arvados/v1/events.ws`; the token goes into a message, and so into no proxy's log
};

/// Where a server is.
struct watch_url {
    transport over = transport::plain;
    std::string host; ///< a name or an address, without brackets
    std::string port;
    /// Path and query, as they go into the request line: may hold a token, so never printed.
    std::string target;
    std::string shown;      ///< the URL without query, for messages
    bool has_token = false; ///< it came with one in its query
};

/// Reads `ws://host[:port][/path][?query]` with ws, wss, http or https. Without a path it is the protocol's;
/// by v1, `/websocket` stands for that too, so that one URL does for both. By v0 the token is put,
/// percent-encoded, into the query as `api_token`, unless the URL has one there already. Throws watch_error
/// when it is anything else, or when there is no token at all: such a client would wait for ever and receive
/// nothing.
[[nodiscard]] watch_url parse_watch_url(std::string_view url, std::string_view token,
                                        watch_protocol protocol = watch_protocol::v0);

} // namespace walcast
