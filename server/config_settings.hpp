#pragma once

#include "server/config.hpp"
#include "server/config_yaml.hpp"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace walcast {

/// Whether a setting may be shown.
enum class disclosure : std::uint8_t {
    open,   ///< printed by `walcast config check` and in messages
    secret, ///< only whether it is set
};

/// One key that walcast reads: a line of the table in config_settings.cpp. The table drives reading, the
/// search for unknown keys, `walcast config check`, and the tests of schema/config.schema.json and
/// docs/configuration.md.
struct setting {
    std::string path; ///< below `Clusters.<id>`, such as "Walcast.Slot"
    /// Reads the value, which is not null, or throws config_error.
    std::function<void(config &, const yaml_value &)> read;
    /// The value as the file would have it, such as "128MiB"; may be a secret.
    std::function<std::string(const config &)> show;
    disclosure shown = disclosure::open;
    /// The limits of a number, time or size, as the file would have them; both empty if there are none.
    std::string least, most;
};

/// Every key that is read, in the order of the documentation.
[[nodiscard]] const std::vector<setting> &all_settings();

/// Reads all settings of one cluster, `Clusters.<id>`. Keys of Arvados that walcast does not read are passed
/// over, except in sections that it reads whole (Walcast, Services.Websocket), and except keys that differ
/// from a known one only by case or come close to the name of our section.
void read_settings(config &into, const yaml_value &cluster);

/// Reads one section of it, such as "Walcast", from elsewhere.
void read_section(config &into, const yaml_value &section, std::string_view name);

// What several readers share

[[nodiscard]] std::uint64_t read_number(const yaml_value &value, std::uint64_t least, std::uint64_t most);
[[nodiscard]] std::chrono::milliseconds
read_duration(const yaml_value &value, std::chrono::milliseconds least, std::chrono::milliseconds most);
[[nodiscard]] log_level read_log_level(const yaml_value &value);
[[nodiscard]] log_format read_log_format(const yaml_value &value);
[[nodiscard]] bool read_flag(const yaml_value &value);
/// A map of libpq parameters; names in lower case, empty values left out.
[[nodiscard]] std::map<std::string, std::string> read_connection(const yaml_value &value);

} // namespace walcast
