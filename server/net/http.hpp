#pragma once

#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace walcast {

using http_request = boost::beast::http::request<boost::beast::http::string_body>;
using http_response = boost::beast::http::response<boost::beast::http::string_body>;

/// What a request is for.
enum class http_route : std::uint8_t {
    v0,           ///< a good upgrade to /websocket
    v1,           ///< a good upgrade to /arvados/v1/events.ws
    stream,       ///< GET or HEAD of /arvados/v1/events/stream, with a token
    latest,       ///< likewise of /arvados/v1/latest/<uuid>
    health,       ///< /_health/ping or /_health/db, authorised: ask the database
    metrics,      ///< authorised
    metrics_json, ///< likewise, the same as JSON
    status,       ///< /status.json, authorised
    answered,     ///< decided already: the response is in `answer`
};

struct http_decision {
    http_route route;
    std::optional<http_response> answer;
};

/// Decides by path, method, headers and ManagementToken alone; pure. The answers are those of arvados-ws.
[[nodiscard]] http_decision route_request(const http_request &request, const std::string &management_token);

/// A response with Date, Content-Type and Content-Length, closing or keeping the connection as the request
/// wants.
[[nodiscard]] http_response make_response(const http_request &to, boost::beast::http::status status,
                                          std::string_view content_type, std::string body);

/// The token of a client that opens a WebSocket: the parameter `api_token`, as arvados-ws has it, and without
/// it what other Arvados services take as well: `Authorization: Bearer <token>`, `OAuth2 <token>`, or Basic
/// with the token as the password. Empty if there is none.
[[nodiscard]] std::string token_of(const http_request &request);

/// RFC 9110's fixed form, for the Date header.
[[nodiscard]] std::string http_date(std::int64_t unix_seconds);

} // namespace walcast
