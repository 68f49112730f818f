#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace walcast::fuzz {

inline constexpr std::string_view management_token = "managementmanagement";

/// A real shard on a loopback port, with three events in its feed and a database that answers at once, and
/// the other end of its sockets. Made by the first talk(), in use until the program ends; the shard runs on a
/// thread of its own.
///
/// Sends the pieces one after the other, ends its side of the connection, and returns all that came back.
/// Ends the program if the server does not end the connection within some seconds: no bytes whatsoever may
/// keep it.
[[nodiscard]] std::string talk(const std::vector<std::string> &pieces);

} // namespace walcast::fuzz
