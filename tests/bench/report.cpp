#include "tests/bench/report.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <stdexcept>

namespace walcast::bench {

json_line &json_line::add(std::string_view key, std::string_view value) {
    put_key(key);
    writer_.String(value.data(), static_cast<rapidjson::SizeType>(value.size()));
    return *this;
}

json_line &json_line::add(std::string_view key, double value) {
    put_key(key);
    writer_.SetMaxDecimalPlaces(4);
    writer_.Double(value);
    return *this;
}

json_line &json_line::add(std::string_view key, bool value) {
    put_key(key);
    writer_.Bool(value);
    return *this;
}

std::string json_line::text() {
    writer_.EndObject();
    return {buffer_.GetString(), buffer_.GetSize()};
}

json_lines::json_lines(const std::string &path) {
    if (const auto folder = std::filesystem::path(path).parent_path(); !folder.empty())
        std::filesystem::create_directories(folder);
    file_.open(path, std::ios::trunc);
    if (!file_)
        throw std::runtime_error(path + " cannot be written");
}

void json_lines::write(const std::string &line) {
    file_ << line << std::endl;
}

void table::print() const {
    std::vector<std::size_t> widths;
    for (const auto &row : rows_) {
        widths.resize(std::max(widths.size(), row.size()));
        for (std::size_t i = 0; i < row.size(); ++i)
            widths[i] = std::max(widths[i], row[i].size());
    }
    for (const auto &row : rows_) {
        for (std::size_t i = 0; i < row.size(); ++i)
            if (i == 0)
                fmt::print("{:<{}}", row[i], widths[i]);
            else
                fmt::print("  {:>{}}", row[i], widths[i]);
        fmt::print("\n");
    }
}

double median(std::vector<double> values) {
    if (values.empty())
        return 0;
    std::sort(values.begin(), values.end());
    const std::size_t middle = values.size() / 2;
    return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

std::string now_text() {
    return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
}

} // namespace walcast::bench
