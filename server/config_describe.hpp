#pragma once

#include "server/config.hpp"

#include <cstdio>
#include <string>

namespace walcast {

/// What `walcast config check` prints: every effective setting, one a line, `*` before those that differ from
/// the default, secrets as "(set)" or "(not set)".
[[nodiscard]] std::string describe(const config &effective);

/// Which files `walcast config check` looks at.
struct config_check_files {
    std::string path;         ///< -config, $ARVADOS_CONFIG or /etc/arvados/config.yml
    std::string legacy_path;  ///< -legacy-ws-config, or empty
    std::string internal_url; ///< $ARVADOS_SERVICE_INTERNAL_URL, or empty
};

/// `walcast config check`: prints the description on `out`, or one line for what is wrong on `error`;
/// warnings go to `error`, too. Returns the exit code: 0 if walcast can start with it, 78 (EX_CONFIG of
/// sysexits.h) if not. The server itself ends with 78 for the same faults, and the systemd unit does not
/// restart it then.
[[nodiscard]] int config_check(const config_check_files &files, std::FILE *out, std::FILE *error);

} // namespace walcast
