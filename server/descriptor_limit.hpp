#pragma once

#include <cstddef>

namespace walcast {

/// Raises the limit of this process to what it may be raised to, as the runtime of arvados-ws does.
void raise_descriptor_limit();

/// How many descriptors this process may have.
[[nodiscard]] std::size_t descriptor_limit();

/// How many of them clients may have: the rest is for connections to the database, spill files, configuration
/// and certificates that are read again, and for telling clients that there is no room. Under a limit that is
/// hardly enough for those, a quarter.
[[nodiscard]] std::size_t descriptors_for_clients(std::size_t limit, std::size_t shards,
                                                  std::size_t query_connections, std::size_t farewells);

} // namespace walcast
