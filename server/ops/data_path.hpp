#pragma once

#include <filesystem>

namespace walcast {

/// Where files are that belong to the program: what the environment variable says; or the source tree, when
/// the program lies in a build directory below it (so that a checkout never takes the files of another,
/// installed version); or where they are installed. `name` is relative to the source tree, and to the data
/// directory.
[[nodiscard]] std::filesystem::path data_path(const char *variable, const std::filesystem::path &name);

} // namespace walcast
