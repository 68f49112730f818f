#pragma once

#include <pqxx/pqxx>
#include <string>

namespace walcast {

/// What a database offers to a relay.
struct preflight {
    bool usable = false;      ///< it is an Arvados database that we may read
    bool slot_usable = false; ///< and a slot can be used
    std::string problem;      ///< one line: what is wrong, and what to do; empty if nothing is
};

/// Looks whether the relay can work here, and from which source. Throws only when the database cannot be
/// asked.
[[nodiscard]] preflight look_at_database(pqxx::connection_base &on, const std::string &publication,
                                         const std::string &slot);

} // namespace walcast
