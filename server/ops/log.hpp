#pragma once

#include <atomic>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <mutex>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

namespace walcast {

enum class log_level : std::uint8_t { debug, info, warning, error };
enum class log_format : std::uint8_t { json, text };

/// One key and its value in a structured log line.
struct log_field {
    std::string_view key;
    std::variant<std::string_view, std::int64_t, std::uint64_t, double, bool> value;

    log_field(std::string_view k, std::string_view v)
        : key(k)
        , value(v) {}
    log_field(std::string_view k, const std::string &v)
        : key(k)
        , value(std::string_view(v)) {}
    log_field(std::string_view k, const char *v)
        : key(k)
        , value(std::string_view(v)) {}
    log_field(std::string_view k, bool v)
        : key(k)
        , value(v) {}
    log_field(std::string_view k, double v)
        : key(k)
        , value(v) {}
    template <std::integral T>
    log_field(std::string_view k, T v)
        : key(k) {
        if constexpr (std::is_signed_v<T>)
            value = static_cast<std::int64_t>(v);
        else
            value = static_cast<std::uint64_t>(v);
    }
};

/// Structured log lines on a descriptor (stderr), one write(2) each, from any thread.
///
/// Made once in main() and handed down by reference. Never give it a token: callers log token *uuids*.
class logger {
  public:
    explicit logger(int descriptor = 2, log_format format = log_format::json,
                    log_level least = log_level::info);

    void set(log_format format, log_level least);
    [[nodiscard]] bool enabled(log_level level) const;

    void write(log_level level, std::string_view message, std::initializer_list<log_field> fields = {});
    void debug(std::string_view message, std::initializer_list<log_field> f = {}) {
        write(log_level::debug, message, f);
    }
    void info(std::string_view message, std::initializer_list<log_field> f = {}) {
        write(log_level::info, message, f);
    }
    void warning(std::string_view message, std::initializer_list<log_field> f = {}) {
        write(log_level::warning, message, f);
    }
    void error(std::string_view message, std::initializer_list<log_field> f = {}) {
        write(log_level::error, message, f);
    }

  private:
    int descriptor_;
    std::mutex mutex_; ///< guards format_, line_ and the order of lines
    log_format format_;
    std::atomic<log_level> least_;
    std::string line_;
};

} // namespace walcast
