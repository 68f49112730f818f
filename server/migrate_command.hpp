#pragma once

#include <string>

namespace walcast {

enum class migrate_verb : unsigned char { up, down, status };

/// `walcast migrate up|down|status` with the database of a configuration file. Returns the exit code: 0 when
/// done (for status: when nothing is missing), 1 otherwise, 78 for a configuration that cannot be used.
[[nodiscard]] int migrate(migrate_verb verb, const std::string &config_path);

} // namespace walcast
