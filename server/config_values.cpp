#include "server/config_settings.hpp"
#include "server/config_text.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <fmt/format.h>
#include <utility>

// How single values are read; config_settings.cpp says which key has which.

namespace walcast {

std::uint64_t read_number(const yaml_value &value, std::uint64_t least, std::uint64_t most) {
    const auto text = value.text();
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc::invalid_argument || end != text.data() + text.size())
        value.fail(fmt::format("\"{}\" is not a whole number", text));
    if (error != std::errc{} || number < least || number > most)
        value.fail(fmt::format("{} is out of range: {} to {}", text, least, most));
    return number;
}

std::chrono::milliseconds read_duration(const yaml_value &value, std::chrono::milliseconds least,
                                        std::chrono::milliseconds most) {
    const auto text = value.text();
    const auto duration = parse_duration(text);
    if (!duration)
        value.fail(fmt::format("\"{}\" is not a time such as 500ms, 60s, 1m30s or 1h", text));
    if (*duration < least || *duration > most)
        value.fail(fmt::format("{} is out of range: {} to {}", text, to_duration_text(least),
                               to_duration_text(most)));
    return *duration;
}

bool read_flag(const yaml_value &value) {
    const auto text = value.text();
    constexpr std::array<std::pair<std::string_view, bool>, 8> words{{{"true", true},
                                                                      {"yes", true},
                                                                      {"on", true},
                                                                      {"y", true},
                                                                      {"false", false},
                                                                      {"no", false},
                                                                      {"off", false},
                                                                      {"n", false}}};
    for (const auto &[word, flag] : words)
        if (equal_but_for_case(word, text))
            return flag;
    value.fail(fmt::format("\"{}\" is neither true nor false", text));
}

log_level read_log_level(const yaml_value &value) {
    // Arvados' levels; ours are fewer.
    constexpr std::array<std::pair<std::string_view, log_level>, 8> levels{{{"panic", log_level::error},
                                                                            {"fatal", log_level::error},
                                                                            {"error", log_level::error},
                                                                            {"warn", log_level::warning},
                                                                            {"warning", log_level::warning},
                                                                            {"info", log_level::info},
                                                                            {"debug", log_level::debug},
                                                                            {"trace", log_level::debug}}};
    const auto text = value.text();
    for (const auto &[name, level] : levels)
        if (equal_but_for_case(name, text))
            return level;
    value.fail(fmt::format("\"{}\" is none of panic, fatal, error, warn, info, debug, trace", text));
}

log_format read_log_format(const yaml_value &value) {
    const auto text = value.text();
    if (text == "json")
        return log_format::json;
    if (text == "text")
        return log_format::text;
    value.fail(fmt::format("\"{}\" is none of json, text", text));
}

std::map<std::string, std::string> read_connection(const yaml_value &value) {
    std::map<std::string, std::string> parameters;
    for (const auto &[key, parameter] : value.entries()) {
        if (key == "SAMPLE" || parameter.is_null())
            continue;
        std::string name = key;
        std::transform(name.begin(), name.end(), name.begin(),
                       [](unsigned char c) { return std::tolower(c); });
        if (name.empty() ||
            name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") != std::string::npos)
            parameter.fail("is not the name of a connection parameter of libpq");
        auto text = parameter.text();
        if (text.find('\0') != std::string::npos)
            parameter.fail("contains a NUL character");
        if (!text.empty() && !parameters.emplace(name, std::move(text)).second)
            parameter.fail("given twice, in upper and lower case");
    }
    return parameters;
}

} // namespace walcast
