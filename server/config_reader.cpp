#include "server/config_settings.hpp"
#include "server/config_text.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>

// How the table of config_settings.cpp is applied to a file, and how keys are refused that it does not have.

namespace walcast {

namespace {

// Sections in which a key that we do not know is a mistake
constexpr std::array<std::string_view, 2> whole_sections{"Walcast.", "Services.Websocket."};
constexpr std::string_view our_section = "Walcast";

/// The names that may follow `prefix` ("" or "Walcast.") in the paths of the table.
std::vector<std::string_view> names_after(std::string_view prefix) {
    std::vector<std::string_view> names;
    for (const auto &known : all_settings()) {
        std::string_view path = known.path;
        if (!path.starts_with(prefix))
            continue;
        path.remove_prefix(prefix.size());
        names.push_back(path.substr(0, path.find('.')));
    }
    return names;
}

void refuse_unknown(const std::string &prefix, const yaml_entry &entry) {
    const auto names = names_after(prefix);
    const auto meant = closest_name(entry.key, names);
    const bool whole =
        std::find(whole_sections.begin(), whole_sections.end(), prefix) != whole_sections.end();
    if (whole || (!meant.empty() && equal_but_for_case(meant, entry.key)) ||
        (prefix.empty() && meant == our_section))
        entry.value.fail(meant.empty() ? "unknown key"
                                       : fmt::format("unknown key (did you mean {}?)", meant));
}

void read_below(config &into, const yaml_value &section, const std::string &prefix) {
    const auto &settings = all_settings();
    for (const auto &entry : section.entries()) {
        const auto path = prefix + entry.key;
        const auto known =
            std::find_if(settings.begin(), settings.end(), [&](const auto &s) { return s.path == path; });
        const auto below = [&](const auto &s) { return s.path.starts_with(path + '.'); };
        if (known != settings.end()) {
            if (!entry.value.is_null())
                known->read(into, entry.value);
        } else if (std::any_of(settings.begin(), settings.end(), below)) {
            read_below(into, entry.value, path + '.');
        } else {
            refuse_unknown(prefix, entry);
        }
    }
}

} // namespace

void read_settings(config &into, const yaml_value &cluster) {
    read_below(into, cluster, {});
}

void read_section(config &into, const yaml_value &section, std::string_view name) {
    read_below(into, section, fmt::format("{}.", name));
}

} // namespace walcast
