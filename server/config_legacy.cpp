#include "server/config.hpp"

#include "server/config_files.hpp"
#include "server/config_settings.hpp"
#include "server/config_text.hpp"
#include "server/config_yaml.hpp"
#include "server/listen_url.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <limits>

namespace walcast {

namespace {

/// A key of the old file, as the table of config_settings.cpp, but for one level.
struct old_key {
    std::string_view name;
    void (*read)(config &, const yaml_value &);
};

unsigned any_number(const yaml_value &value) {
    return static_cast<unsigned>(read_number(value, 0, std::numeric_limits<unsigned>::max()));
}

template <std::size_t Size>
void read_keys(config &into, const yaml_value &map, const std::array<old_key, Size> &keys) {
    for (const auto &[name, value] : map.entries()) {
        const auto *known =
            std::find_if(keys.begin(), keys.end(), [&](const auto &key) { return key.name == name; });
        if (known == keys.end()) {
            std::vector<std::string_view> names;
            for (const auto &key : keys)
                names.push_back(key.name);
            const auto meant = closest_name(name, names);
            value.fail(meant.empty() ? "unknown key" : fmt::format("unknown key (did you mean {}?)", meant));
        }
        if (!value.is_null())
            known->read(into, value);
    }
}

constexpr std::array<old_key, 5> client_keys{{
    {"APIHost",
     [](config &c, const yaml_value &v) {
         if (const auto host = v.text(); !host.empty())
             c.controller_url = fmt::format("https://{}/", host);
     }},
    {"AuthToken",
     [](config &c, const yaml_value &v) {
         if (auto token = v.text(); !token.empty())
             c.system_root_token = std::move(token);
     }},
    {"Insecure", [](config &c, const yaml_value &v) { c.tls_insecure = read_flag(v); }},
    {"Scheme", [](config &, const yaml_value &) {}},          // always https
    {"KeepServiceURIs", [](config &, const yaml_value &) {}}, // of other services
}};

/// `host:port` or `:port`
void read_listen(config &c, const yaml_value &v) {
    const auto url = fmt::format("http://{}/", v.text());
    if (!parse_listen_url(url))
        v.fail("is not an address such as :8005 or localhost:8005");
    c.internal_urls = {{url, {}}};
}

constexpr std::array<old_key, 10> keys{{
    {"Client", [](config &c, const yaml_value &v) { read_keys(c, v, client_keys); }},
    {"Postgres", [](config &c, const yaml_value &v) { c.arvados_postgresql = read_connection(v); }},
    {"PostgresPool", [](config &c, const yaml_value &v) { c.connection_pool = any_number(v); }},
    {"Listen", read_listen},
    {"LogLevel", [](config &c, const yaml_value &v) { c.level = read_log_level(v); }},
    {"LogFormat", [](config &c, const yaml_value &v) { c.format = read_log_format(v); }},
    {"PingTimeout",
     [](config &c, const yaml_value &v) {
         c.send_timeout = read_duration(v, std::chrono::milliseconds(10), std::chrono::hours(24));
     }},
    {"ClientEventQueue", [](config &c, const yaml_value &v) { c.client_event_queue = any_number(v); }},
    {"ServerEventQueue", [](config &c, const yaml_value &v) { c.server_event_queue = any_number(v); }},
    {"ManagementToken", [](config &c, const yaml_value &v) { c.management_token = v.text(); }},
}};

} // namespace

config load_legacy_config(const std::string &legacy_path, const std::string &path,
                          const std::string &internal_url) {
    auto read = read_config_files(path);
    read_keys(read, read_yaml_file(legacy_path).root, keys);
    read.warnings.push_back(
        fmt::format("{} has the old format; move its settings to {} and remove it", legacy_path, path));
    finish_config(read, internal_url);
    return read;
}

} // namespace walcast
