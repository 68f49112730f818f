#include "server/config.hpp"

#include "server/config_files.hpp"

#include <fmt/format.h>

namespace walcast {

config load_config(const std::string &path, const std::string &internal_url) {
    auto read = read_config_files(path);
    finish_config(read, internal_url);
    return read;
}

std::string connection_string(const std::map<std::string, std::string> &parameters) {
    std::string string;
    for (const auto &[name, value] : parameters) {
        if (!string.empty())
            string += ' ';
        string += name;
        string += "='";
        for (const char c : value) {
            if (c == '\'' || c == '\\')
                string += '\\';
            string += c;
        }
        string += '\'';
    }
    return string;
}

bool is_pem(const std::string &certificate_or_key) {
    return certificate_or_key.find("-----BEGIN ") != std::string::npos;
}

} // namespace walcast
