#pragma once

#include "server/config.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace walcast {

/// A folder with configuration files for one test, gone afterwards. Its name is replaced by `DIR` in
/// messages.
class config_folder {
  public:
    config_folder() {
        auto name = (std::filesystem::temp_directory_path() / "walcast-config-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr)
            std::abort();
        path_ = name;
    }
    ~config_folder() { std::filesystem::remove_all(path_); }
    config_folder(const config_folder &) = delete;
    config_folder &operator=(const config_folder &) = delete;

    /// Writes a file and returns its path.
    [[nodiscard]] std::string file(std::string_view name, std::string_view content) const {
        const auto path = path_ / name;
        std::ofstream(path, std::ios::binary) << content;
        return path.string();
    }

    [[nodiscard]] std::string without_folder(std::string message) const {
        for (auto at = message.find(path_.string()); at != std::string::npos;
             at = message.find(path_.string()))
            message.replace(at, path_.string().size(), "DIR");
        return message;
    }

    [[nodiscard]] const std::filesystem::path &path() const { return path_; }

  private:
    std::filesystem::path path_;
};

/// The least that is enough: what follows is indented by four, at the level of `SystemRootToken`.
inline constexpr std::string_view enough = R"(Clusters:
  zzzzz:
    PostgreSQL: {Connection: {host: db}}
    Services:
      Websocket:
        InternalURLs: {"http://localhost:8005": {}}
)";

[[nodiscard]] inline config load_text(std::string_view text, const std::string &internal_url = {}) {
    const config_folder folder;
    return load_config(folder.file("config.yml", text), internal_url);
}

/// The line that an operator reads when the file is wrong, or "" if it is accepted.
[[nodiscard]] inline std::string complaint(std::string_view text, const std::string &internal_url = {}) {
    const config_folder folder;
    try {
        static_cast<void>(load_config(folder.file("config.yml", text), internal_url));
        return {};
    } catch (const config_error &error) {
        return folder.without_folder(error.what());
    }
}

/// The same for a line added to what is enough.
[[nodiscard]] inline std::string complaint_about(std::string_view line) {
    return complaint(std::string(enough) + "    " + std::string(line) + "\n");
}

} // namespace walcast
