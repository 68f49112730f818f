#pragma once

#include "server/feed/record_class.hpp"

#include <filesystem>

namespace walcast {

/// Reads schema/classes.yaml. Throws config_error, which names the file, the line and the class, for anything
/// that would make a record wrong or let a secret out.
[[nodiscard]] record_classes load_record_classes(const std::filesystem::path &file);

/// Where that file is: $WALCAST_CLASSES, or as data_path() says.
[[nodiscard]] std::filesystem::path classes_file();

} // namespace walcast
