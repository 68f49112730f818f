#include "server/config_describe.hpp"

#include "server/config_settings.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <sysexits.h>

namespace walcast {

namespace {

std::string listener(const listen_address &address) {
    const auto bracketed =
        address.host.find(':') != std::string::npos ? '[' + address.host + ']' : address.host;
    return fmt::format("{}://{}:{}", address.tls ? "https" : "http", bracketed.empty() ? "*" : bracketed,
                       address.port);
}

} // namespace

std::string describe(const config &effective) {
    const config defaults;
    const auto &settings = all_settings();
    std::size_t width = 0;
    for (const auto &known : settings)
        width = std::max(width, known.path.size());
    auto text = fmt::format("file     {}\nsha256   {}\ncluster  {}\nlisten   {}\n\n", effective.source_path,
                            effective.source_sha256, effective.cluster_id, listener(effective.listen));
    for (const auto &known : settings) {
        auto value = known.show(effective);
        const char mark = value == known.show(defaults) ? ' ' : '*';
        if (value.empty())
            value = "(not set)";
        else if (known.shown == disclosure::secret)
            value = "(set)";
        text += fmt::format("{} {:<{}}  {}\n", mark, known.path, width, value);
    }
    return text;
}

int config_check(const config_check_files &files, std::FILE *out, std::FILE *error) {
    try {
        const auto effective = files.legacy_path.empty()
                                   ? load_config(files.path, files.internal_url)
                                   : load_legacy_config(files.legacy_path, files.path, files.internal_url);
        for (const auto &warning : effective.warnings)
            fmt::print(error, "walcast: warning: {}\n", warning);
        fmt::print(out, "{}", describe(effective));
        return EX_OK;
    } catch (const config_error &wrong) {
        fmt::print(error, "walcast: {}\n", wrong.what());
        return EX_CONFIG;
    }
}

} // namespace walcast
