#pragma once

#include <string>

namespace walcast {

/// Which configuration to serve with.
struct serve_options {
    std::string config_path; ///< -config, $ARVADOS_CONFIG, or Arvados' own place
    std::string legacy_path; ///< -legacy-ws-config, or empty
};

/// The main job: runs the relay until SIGTERM or SIGINT. SIGHUP reads the configuration again. Returns the
/// exit code: 0 after an orderly stop, 78 (EX_CONFIG) for a configuration that cannot be used, 1 when it
/// cannot listen.
[[nodiscard]] int serve(const serve_options &options);

} // namespace walcast
