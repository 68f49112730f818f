#include "server/watch/watch_url.hpp"

#include "server/watch/safe_text.hpp"
#include "server/watch/watch_error.hpp"

#include <boost/url/encode.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/rfc/unreserved_chars.hpp>
#include <boost/url/src.hpp> // Boost.URL is compiled here: the program then needs no shared library for it
#include <boost/url/url_view.hpp>
#include <fmt/format.h>

namespace walcast {

namespace urls = boost::urls;

namespace {

constexpr std::string_view v0_path = "/websocket", v1_path = "/arvados/v1/events.ws";

/// For the message about a URL that is none: what may be a token in it is left out.
std::string without_query(std::string_view url) {
    return quoted_text(shortened(url.substr(0, url.find_first_of("?#")), 200));
}

/// With an empty query before a fragment, Boost.URL 1.81 fails an assertion of its own.
bool has_token(const urls::url_view &url) {
    if (url.encoded_query().empty())
        return false;
    for (const auto &parameter : url.params())
        if (parameter.key == "api_token" && !parameter.value.empty())
            return true;
    return false;
}

} // namespace

watch_url parse_watch_url(std::string_view text, std::string_view token, watch_protocol protocol) {
    // Without `//` after the scheme Boost.URL 1.81 fails an assertion of its own where the path is empty.
    const auto colon = text.find(':');
    const bool has_authority = colon != text.npos && text.substr(colon).starts_with("://");
    const auto parsed = urls::parse_uri({text.data(), has_authority ? text.size() : 0});
    if (!parsed)
        throw watch_error(without_query(text) +
                          " is no URL such as ws://host:8005/websocket or wss://host/websocket");
    const urls::url_view url = *parsed;
    const auto scheme = url.scheme_id();
    const bool tls = scheme == urls::scheme::wss || scheme == urls::scheme::https;
    if (!tls && scheme != urls::scheme::ws && scheme != urls::scheme::http)
        throw watch_error(without_query(text) + ": the URL must begin with ws:// or wss://");
    if (url.has_userinfo())
        throw watch_error("the URL must not hold a user or a password; give the token with --token-file");
    const auto host = std::string(url.encoded_host_address());
    if (host.empty() || (url.has_port() && (url.port_number() == 0)))
        throw watch_error(without_query(text) +
                          ": the URL needs a host, and a port from 1 to 65535 if it has one");
    if (token.empty() && !has_token(url))
        throw watch_error("no token: set ARVADOS_API_TOKEN, or give --token-file FILE");

    watch_url made;
    made.over = tls ? transport::tls : transport::plain;
    made.host = host;
    made.port = url.has_port() ? std::string(url.port()) : tls ? "443" : "80";
    const auto path = std::string(url.encoded_path());
    const bool usual = path.empty() || path == "/" || path == v0_path;
    made.target = !usual ? path : protocol == watch_protocol::v0 ? v0_path : v1_path;
    made.shown =
        fmt::format("{}://{}{}", tls ? "wss" : "ws", std::string(url.encoded_host_and_port()), made.target);
    char separator = '?';
    if (!url.encoded_query().empty()) {
        made.target += '?' + std::string(url.encoded_query());
        separator = '&';
    }
    made.has_token = has_token(url);
    if (!made.has_token && protocol == watch_protocol::v0)
        made.target +=
            separator + ("api_token=" + urls::encode({token.data(), token.size()}, urls::unreserved_chars));
    return made;
}

} // namespace walcast
