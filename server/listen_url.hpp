#pragma once

#include "server/config.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace walcast {

/// `http://host:port/`, with https, ws and wss, `[::1]` for IPv6, no host for every address, and the scheme's
/// port if none is given. Nothing if it is anything else, a path or a password included.
[[nodiscard]] std::optional<listen_address> parse_listen_url(std::string_view url);

/// Whether a socket here can be bound to the host: it names this machine. Resolves names, so it may take a
/// while.
[[nodiscard]] bool is_local(const std::string &host);

/// Where this instance listens, chosen as arvados-ws does among the internal URLs (all of them valid).
///
/// `wanted` is $ARVADOS_SERVICE_INTERNAL_URL: the entry with that URL is taken, whatever its trailing slash;
/// without such an entry `wanted` itself is obeyed with a warning. If it is empty: the only entry, or the
/// first in file order whose host is local. A `ListenURL` in the entry says where to listen instead of the
/// entry's own URL. Throws config_error if nothing is left; `place` is the file and the key to complain
/// about.
[[nodiscard]] listen_address choose_listener(const std::vector<internal_url> &urls, const std::string &wanted,
                                             const std::string &place, std::vector<std::string> &warnings);

} // namespace walcast
