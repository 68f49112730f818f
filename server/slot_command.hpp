#pragma once

#include "db/slot_report.hpp"

#include <cstdint>
#include <string>

namespace walcast {

enum class slot_format : std::uint8_t { text, json };

/// `walcast slot status` with the slot and the database of a configuration file. Returns the exit code: 0
/// when all is well, 1 when there is something to do or the database cannot be asked, 78 for a configuration
/// that cannot be used.
[[nodiscard]] int slot_status(const std::string &config_path, slot_format format);

/// `walcast slot drop`. 0 when it is gone or was not there, 1 when it was not dropped.
[[nodiscard]] int slot_drop(const std::string &config_path, slot_readers readers);

} // namespace walcast
