#pragma once

#include "server/feed/position.hpp"

#include <cstdint>
#include <pqxx/pqxx>
#include <string>

namespace walcast {

/// Whether the database sends what the relay needs, and no more, as it stands at one moment. Anybody may
/// alter `logs` or the publication while the relay runs, and the stream would say nothing: rows would just be
/// missing.
struct coverage {
    bool events = false;  ///< every row of `logs` arrives, and can be read
    bool secrets = false; ///< columns with secrets are published
    std::string problem;  ///< one line: what is wrong and what to do; empty if nothing is
    /// Changes with every change of `logs`, of its columns, of the publication, or of its place in it.
    std::string shape;
    std::uint32_t table = 0;   ///< OID of `logs`
    std::int64_t greatest = 0; ///< the greatest id in it
    std::string snapshot;      ///< pg_current_snapshot() of the look; empty if ids could not be read
};

/// Looks at the catalogs alone and locks no table of Arvados but, while it reads the greatest id, `logs`.
/// An empty publication: the listener is the source, and it is the table alone that counts.
[[nodiscard]] coverage look_at_coverage(pqxx::connection_base &on, const std::string &publication);

} // namespace walcast
