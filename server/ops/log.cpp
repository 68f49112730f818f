#include "server/ops/log.hpp"

#include <array>
#include <chrono>
#include <ctime>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <iterator>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>
#include <unistd.h>

namespace walcast {

namespace {

constexpr std::array<std::string_view, 4> level_names{"debug", "info", "warning", "error"};

std::string now_rfc3339() {
    const auto now = std::chrono::system_clock::now();
    const auto micros =
        std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch()).count() % 1'000'000;
    return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:06}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(now)),
                       micros);
}

template <class Writer>
void write_value(Writer &writer, const log_field &field) {
    std::visit(
        [&](const auto &value) {
            using T = std::decay_t<decltype(value)>;
            if constexpr (std::is_same_v<T, std::string_view>)
                writer.String(value.data(), static_cast<rapidjson::SizeType>(value.size()));
            else if constexpr (std::is_same_v<T, std::int64_t>)
                writer.Int64(value);
            else if constexpr (std::is_same_v<T, std::uint64_t>)
                writer.Uint64(value);
            else if constexpr (std::is_same_v<T, double>)
                writer.Double(value);
            else
                writer.Bool(value);
        },
        field.value);
}

} // namespace

logger::logger(int descriptor, log_format format, log_level least)
    : descriptor_(descriptor)
    , format_(format)
    , least_(least) {}

void logger::set(log_format format, log_level least) {
    const std::scoped_lock lock(mutex_);
    format_ = format;
    least_.store(least, std::memory_order_relaxed);
}

bool logger::enabled(log_level level) const {
    return level >= least_.load(std::memory_order_relaxed);
}

void logger::write(log_level level, std::string_view message, std::initializer_list<log_field> fields) {
    if (!enabled(level))
        return;
    const auto time = now_rfc3339();
    const auto name = level_names[static_cast<std::size_t>(level)];
    const std::scoped_lock lock(mutex_);
    line_.clear();
    // Both forms write strings as JSON does, so that a line feed in a value cannot forge a line.
    rapidjson::StringBuffer buffer;
    rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
    const auto string = [&](std::string_view text) {
        writer.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
    };
    if (format_ == log_format::json) {
        writer.StartObject();
        writer.Key("time");
        string(time);
        writer.Key("level");
        string(name);
        writer.Key("msg");
        string(message);
        for (const auto &field : fields) {
            writer.Key(field.key.data(), static_cast<rapidjson::SizeType>(field.key.size()));
            write_value(writer, field);
        }
        writer.EndObject();
        line_.assign(buffer.GetString(), buffer.GetSize());
    } else {
        fmt::format_to(std::back_inserter(line_), "{} {} {}", time, name, message);
        for (const auto &field : fields) {
            buffer.Clear();
            writer.Reset(buffer);
            write_value(writer, field);
            fmt::format_to(std::back_inserter(line_), " {}={}", field.key,
                           std::string_view(buffer.GetString(), buffer.GetSize()));
        }
    }
    line_ += '\n';
    // A log that cannot be written must not stop the relay: nothing to do with the error.
    [[maybe_unused]] const auto written = ::write(descriptor_, line_.data(), line_.size());
}

} // namespace walcast
