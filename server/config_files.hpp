#pragma once

#include "server/config.hpp"

#include <string>

namespace walcast {

// The two halves of loading, between which the settings of an old file are laid over those of the new.

/// Reads `path` and `walcast.yml` beside it, or throws config_error. Nothing that takes several keys is
/// checked yet.
[[nodiscard]] config read_config_files(const std::string &path);

/// Checks what belongs together, picks the listener, and fills `listen`; or throws config_error.
void finish_config(config &read, const std::string &internal_url);

} // namespace walcast
