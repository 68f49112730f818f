#pragma once

#include "db/slot_report.hpp"
#include "server/config.hpp"

#include <string>
#include <vector>

namespace walcast {

/// What an operator should know about a slot, as sentences that say what to do.
struct slot_findings {
    std::vector<std::string> problems; ///< something has to be done
    std::vector<std::string> notes;    ///< good to know
};

/// Judges a slot by the configuration. Pure.
[[nodiscard]] slot_findings judge_slot(const slot_report &report, const config &settings);

/// Whether the slot is one that a relay with this configuration would use; otherwise it is somebody else's.
[[nodiscard]] bool is_ours(const slot_report &report);

/// `12.4 MiB`
[[nodiscard]] std::string human_bytes(std::int64_t bytes);

} // namespace walcast
