#include "server/config_files.hpp"

#include "server/config_settings.hpp"
#include "server/config_yaml.hpp"
#include "server/listen_url.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <optional>

namespace walcast {

namespace {

bool is_cluster_id(std::string_view id) {
    return id.size() == 5 &&
           id.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789") == std::string_view::npos;
}

/// The one entry of `Clusters`.
yaml_entry only_cluster(const yaml_value &root) {
    std::optional<yaml_entry> clusters;
    for (const auto &entry : root.entries()) {
        if (entry.key == "Clusters")
            clusters.emplace(entry);
        else if (entry.key == "Walcast")
            entry.value.fail("belongs into Clusters.<id>, or into walcast.yml beside this file");
    }
    if (!clusters)
        root.fail("no Clusters here; is this Arvados' config.yml? (a file of the old format needs "
                  "-legacy-ws-config)");
    const auto entries = clusters->value.entries();
    if (entries.empty())
        clusters->value.fail("is empty");
    if (entries.size() > 1)
        entries[1].value.fail(
            fmt::format("only one cluster can be served, and {} stands before it", entries[0].key));
    if (!is_cluster_id(entries[0].key))
        entries[0].value.fail("a cluster's id has five of a-z and 0-9");
    return entries[0];
}

/// A section `Walcast` in a file of its own, for those who keep config.yml free of keys that Arvados does not
/// know: its own check of the file fails on such keys.
void read_own_file(config &into, const std::string &config_path, bool has_section) {
    const auto path = std::filesystem::path(config_path).replace_filename("walcast.yml");
    std::error_code ignored;
    if (!std::filesystem::exists(path, ignored) || std::filesystem::equivalent(path, config_path, ignored))
        return;
    const auto file = read_yaml_file(path.string());
    for (const auto &[key, value] : file.root.entries()) {
        if (key != "Walcast")
            value.fail("unknown key (the only one is Walcast)");
        if (has_section)
            value.fail(fmt::format("{} has this section too; keep one of them", config_path));
        read_section(into, value, key);
    }
}

/// The file of a certificate or key must be there when it is needed.
void check_certificate(const std::string &place, const std::string &certificate_or_key) {
    if (certificate_or_key.empty())
        throw config_error(place + ": is needed, because the URL to listen at is https");
    if (is_pem(certificate_or_key))
        return;
    errno = 0;
    std::ifstream file(certificate_or_key);
    if (!file || file.peek() == std::ifstream::traits_type::eof())
        throw config_error(fmt::format("{}: {} cannot be read: {}", place, certificate_or_key,
                                       errno == 0 ? "it is empty" : std::strerror(errno)));
}

} // namespace

config read_config_files(const std::string &path) {
    config read;
    const auto file = read_yaml_file(path);
    read.source_path = path;
    read.source_sha256 = file.sha256;
    read.source_timestamp = file.timestamp;
    const auto [id, cluster] = only_cluster(file.root);
    read.cluster_id = id;
    read_settings(read, cluster);
    const auto entries = cluster.entries();
    read_own_file(read, path, std::any_of(entries.begin(), entries.end(), [](const auto &e) {
                      return e.key == "Walcast";
                  }));
    return read;
}

void finish_config(config &read, const std::string &internal_url) {
    const auto place = [&](std::string_view key) {
        return fmt::format("{}: Clusters.{}.{}", read.source_path, read.cluster_id, key);
    };
    read.postgresql = read.own_postgresql;
    read.postgresql.insert(read.arvados_postgresql.begin(), read.arvados_postgresql.end());
    if (read.postgresql.empty())
        throw config_error(place("PostgreSQL.Connection") +
                           ": is missing or empty, so there is no database to read");
    read.listen = choose_listener(read.internal_urls, internal_url, place("Services.Websocket.InternalURLs"),
                                  read.warnings);
    if (read.listen.tls) {
        check_certificate(place("TLS.Certificate"), read.tls_certificate);
        check_certificate(place("TLS.Key"), read.tls_key);
    }
}

} // namespace walcast
