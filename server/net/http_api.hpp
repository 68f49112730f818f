#pragma once

#include "server/net/http.hpp"
#include "server/protocol/v1_encode.hpp"

#include <string>
#include <string_view>

namespace walcast {

/// What the requests of protocol v1 that are no WebSocket have in common: pages of any origin may make them,
/// as they may ask Arvados' own API, and errors are v1's messages.

/// What is answered, beside what every answer has.
struct api_answer {
    boost::beast::http::status status = boost::beast::http::status::ok;
    std::string body; ///< JSON; none with 304
    std::string etag;
    std::string token;
};

[[nodiscard]] http_response make_api_response(const http_request &to, api_answer answer);

/// `{"op":"error","code":"not_found","message":"…","errors":["…"]}`: v1's message, and Arvados' list.
[[nodiscard]] api_answer api_failure(boost::beast::http::status status, v1_error code,
                                     std::string_view message);
[[nodiscard]] api_answer api_failure(v1_error code, std::string_view message);
/// From a message of v1 that is an error.
[[nodiscard]] api_answer api_failure(std::string_view message);

/// What can be answered by method and headers alone: OPTIONS, methods that there are not, no token.
[[nodiscard]] http_decision route_api(const http_request &request, http_route route);

/// Has pages of any origin read the answer.
void allow_any_origin(http_response &answer);

/// A strong ETag, with its quotes: the same for the same bytes, whatever process has them.
[[nodiscard]] std::string etag_of(std::string_view bytes);

/// Whether If-None-Match names this ETag, or any (RFC 9110 §13.1.2).
[[nodiscard]] bool etag_matches(std::string_view if_none_match, std::string_view etag);

} // namespace walcast
