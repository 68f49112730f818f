#include "server/listen_url.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <fmt/format.h>
#include <memory>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

namespace walcast {

namespace {

struct scheme {
    std::string_view prefix;
    bool tls;
    std::uint16_t port;
};
constexpr std::array<scheme, 4> schemes{
    {{"http://", false, 80}, {"https://", true, 443}, {"ws://", false, 80}, {"wss://", true, 443}}};

std::string_view without_slash(std::string_view url) {
    return url.ends_with('/') ? url.substr(0, url.size() - 1) : url;
}

std::string_view where_to_listen(const internal_url &entry) {
    return entry.listen_url.empty() ? entry.url : entry.listen_url;
}

bool can_bind(const addrinfo &address) {
    const int socket = ::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (socket < 0)
        return false;
    // Port 0: the question is whose address it is, not whether a port is free.
    const bool bound = ::bind(socket, address.ai_addr, address.ai_addrlen) == 0;
    ::close(socket);
    return bound;
}

} // namespace

std::optional<listen_address> parse_listen_url(std::string_view url) {
    const auto found = std::find_if(schemes.begin(), schemes.end(),
                                    [&](const auto &s) { return url.starts_with(s.prefix); });
    if (found == schemes.end())
        return std::nullopt;
    auto rest = without_slash(url.substr(found->prefix.size()));
    listen_address address{.tls = found->tls, .host = {}, .port = found->port};
    auto colon = rest.rfind(':');
    if (rest.starts_with('[')) {
        const auto bracket = rest.find(']');
        if (bracket == std::string_view::npos || (bracket + 1 < rest.size() && rest[bracket + 1] != ':'))
            return std::nullopt;
        address.host = rest.substr(1, bracket - 1);
        if (address.host.empty() ||
            address.host.find_first_not_of("0123456789abcdefABCDEF:.%") != std::string::npos)
            return std::nullopt;
        colon = bracket + 1 < rest.size() ? bracket + 1 : std::string_view::npos;
    } else {
        address.host = rest.substr(0, colon);
        const auto odd = [](unsigned char c) {
            return !(std::isalnum(c) || c == '-' || c == '.' || c == '_');
        };
        if (std::any_of(address.host.begin(), address.host.end(), odd))
            return std::nullopt;
    }
    if (colon == std::string_view::npos)
        return address.host.empty() ? std::nullopt : std::optional(address);
    const auto port = rest.substr(colon + 1);
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), address.port);
    if (error != std::errc{} || end != port.data() + port.size() || address.port == 0)
        return std::nullopt;
    return address;
}

bool is_local(const std::string &host) {
    if (host.empty())
        return true;
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo *found = nullptr;
    if (::getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0)
        return false;
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
    for (const auto *address = found; address != nullptr; address = address->ai_next)
        if (can_bind(*address))
            return true;
    return false;
}

listen_address choose_listener(const std::vector<internal_url> &urls, const std::string &wanted,
                               const std::string &place, std::vector<std::string> &warnings) {
    const auto address = [](std::string_view url) { return *parse_listen_url(url); };
    if (!wanted.empty()) {
        const auto own = parse_listen_url(wanted);
        if (!own)
            throw config_error(fmt::format(
                "$ARVADOS_SERVICE_INTERNAL_URL: \"{}\" is not a URL such as http://host:port", wanted));
        const auto entry = std::find_if(urls.begin(), urls.end(), [&](const auto &candidate) {
            return without_slash(candidate.url) == without_slash(wanted);
        });
        if (entry != urls.end())
            return address(where_to_listen(*entry));
        warnings.push_back(fmt::format("listening on {} as $ARVADOS_SERVICE_INTERNAL_URL says, although "
                                       "Services.Websocket.InternalURLs has no such entry",
                                       wanted));
        return *own;
    }
    if (urls.empty())
        throw config_error(place +
                           ": is empty, so there is nowhere to listen; add \"http://localhost:8005\": {}");
    if (urls.size() == 1)
        return address(where_to_listen(urls.front()));
    for (const auto &entry : urls)
        if (auto candidate = address(where_to_listen(entry)); is_local(candidate.host))
            return candidate;
    throw config_error(
        place +
        ": none of these is an address of this machine; set $ARVADOS_SERVICE_INTERNAL_URL to the one to "
        "serve, or a ListenURL in its entry");
}

} // namespace walcast
