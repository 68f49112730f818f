#include "server/net/http.hpp"

#include "server/net/http_api.hpp"
#include "server/protocol/query.hpp"
#include "server/protocol/v1_query.hpp"

#include <boost/beast/websocket/rfc6455.hpp>
#include <ctime>
#include <fmt/chrono.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <utility>

namespace walcast {

namespace http = boost::beast::http;
using boost::beast::iequals;

namespace {

constexpr std::string_view text_plain = "text/plain; charset=utf-8";

/// Empty if it is none.
std::string base64_decode(std::string_view text) {
    std::string decoded(text.size() / 4 * 3, '\0');
    const auto size = ::EVP_DecodeBlock(reinterpret_cast<unsigned char *>(decoded.data()),
                                        reinterpret_cast<const unsigned char *>(text.data()),
                                        static_cast<int>(text.size()));
    const auto padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
    decoded.resize(size < padding ? 0 : static_cast<std::size_t>(size - padding));
    return decoded;
}

enum class authorization { none, wrong, right };

authorization check_bearer(const http_request &request, const std::string &token) {
    const auto header = request[http::field::authorization];
    constexpr std::string_view scheme = "bearer ";
    if (header.empty())
        return authorization::none;
    if (header.size() <= scheme.size() || !iequals(header.substr(0, scheme.size()), scheme))
        return authorization::wrong;
    const auto given = header.substr(scheme.size());
    const bool equal =
        given.size() == token.size() && CRYPTO_memcmp(given.data(), token.data(), token.size()) == 0;
    return equal ? authorization::right : authorization::wrong;
}

http_decision answer(const http_request &to, http::status status, std::string body) {
    return {http_route::answered, make_response(to, status, text_plain, std::move(body))};
}

http_decision route_websocket(const http_request &request, http_route route) {
    if (request.method() != http::verb::get)
        return answer(request, http::status::method_not_allowed, "bad method\n");
    if (!boost::beast::websocket::is_upgrade(request))
        return answer(request, http::status::bad_request, "not websocket protocol\n");
    if (request[http::field::sec_websocket_version] != "13") {
        auto refused = answer(request, http::status::bad_request, "missing or bad WebSocket Version\n");
        refused.answer->set(http::field::sec_websocket_version, "13");
        return refused;
    }
    return {route, std::nullopt};
}

/// arvados-ws has two wordings of the same refusal: its health endpoints', and its metrics'.
http_decision route_management(const http_request &request, http_route route, const std::string &token) {
    if (token.empty())
        return answer(request, http::status::not_found, "disabled\n");
    switch (check_bearer(request, token)) {
    case authorization::none:
        return answer(request, http::status::unauthorized, "authorization required\n");
    case authorization::wrong:
        return answer(request, http::status::forbidden, "authorization error\n");
    case authorization::right:
        break;
    }
    return {route, std::nullopt};
}

http_decision route_metrics(const http_request &request, http_route route, const std::string &token) {
    switch (token.empty() ? authorization::right : check_bearer(request, token)) {
    case authorization::none:
        return answer(request, http::status::unauthorized, "Unauthorized\n");
    case authorization::wrong:
        return answer(request, http::status::forbidden, "Forbidden\n");
    case authorization::right:
        break;
    }
    return {route, std::nullopt};
}

} // namespace

std::string http_date(std::int64_t unix_seconds) {
    return fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT", fmt::gmtime(static_cast<std::time_t>(unix_seconds)));
}

http_response make_response(const http_request &to, http::status status, std::string_view content_type,
                            std::string body) {
    http_response made(status, to.version());
    made.set(http::field::date, http_date(std::time(nullptr)));
    made.set(http::field::content_type, content_type);
    made.set("X-Content-Type-Options", "nosniff");
    made.keep_alive(to.keep_alive());
    made.body() = std::move(body);
    made.prepare_payload();
    if (to.method() == http::verb::head)
        made.body().clear(); // the length stays that of a GET
    return made;
}

std::string token_of(const http_request &request) {
    const std::string_view target(request.target().data(), request.target().size());
    if (auto given = query_parameter(target, "api_token"); given && !given->empty())
        return std::move(*given);
    const std::string_view header(request[http::field::authorization].data(),
                                  request[http::field::authorization].size());
    const auto scheme = header.substr(0, header.find(' '));
    if (scheme.size() == header.size())
        return {};
    auto credentials = header.substr(scheme.size());
    credentials.remove_prefix(std::min(credentials.size(), credentials.find_first_not_of(' ')));
    if (iequals(scheme, "bearer") || iequals(scheme, "oauth2"))
        return std::string(credentials);
    if (!iequals(scheme, "basic"))
        return {};
    const auto pair = base64_decode(credentials);
    const auto colon = pair.find(':');
    return colon == std::string::npos ? "" : pair.substr(colon + 1);
}

http_decision route_request(const http_request &request, const std::string &management_token) {
    const std::string_view target(request.target().data(), request.target().size());
    const auto path = target.substr(0, target.find('?'));
    if (path == "/websocket")
        return route_websocket(request, http_route::v0);
    if (path == "/arvados/v1/events.ws")
        return route_websocket(request, http_route::v1);
    if (path == "/arvados/v1/events/stream")
        return route_api(request, http_route::stream);
    if (path.starts_with(latest_path))
        return route_api(request, http_route::latest);
    const bool reads = request.method() == http::verb::get || request.method() == http::verb::head;
    if (path == "/metrics" && reads)
        return route_metrics(request, http_route::metrics, management_token);
    if (path == "/metrics.json" && reads)
        return route_metrics(request, http_route::metrics_json, management_token);
    if (path == "/status.json" && reads)
        return route_management(request, http_route::status, management_token);
    if (path.starts_with("/_health/")) {
        auto decided = route_management(request, http_route::health, management_token);
        if (decided.answer || path == "/_health/ping" || path == "/_health/db")
            return decided;
    }
    return answer(request, http::status::not_found, "404 page not found\n");
}

} // namespace walcast
