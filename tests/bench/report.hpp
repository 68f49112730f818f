#pragma once

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <concepts>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace walcast::bench {

/// One flat JSON object, built key by key in the order of the calls.
class json_line {
  public:
    json_line() { writer_.StartObject(); }
    json_line &add(std::string_view key, std::string_view value);
    json_line &add(std::string_view key, const char *value) { return add(key, std::string_view{value}); }
    json_line &add(std::string_view key, double value);
    json_line &add(std::string_view key, bool value);
    json_line &add(std::string_view key, std::integral auto value) {
        put_key(key);
        writer_.Int64(static_cast<std::int64_t>(value));
        return *this;
    }
    /// Ends the object; call once.
    [[nodiscard]] std::string text();

  private:
    void put_key(std::string_view key) {
        writer_.Key(key.data(), static_cast<rapidjson::SizeType>(key.size()));
    }

    rapidjson::StringBuffer buffer_;
    rapidjson::Writer<rapidjson::StringBuffer> writer_{buffer_};
};

/// The file of results: emptied when opened, so that it holds one run; each line is on disk when write()
/// returns.
class json_lines {
  public:
    /// Makes the folders that lead to `path`. Throws std::runtime_error when it cannot be written.
    explicit json_lines(const std::string &path);
    void write(const std::string &line);

  private:
    std::ofstream file_;
};

/// A table for people: the first column to the left, the others to the right. Prints to standard output.
class table {
  public:
    explicit table(std::vector<std::string> heads)
        : rows_{std::move(heads)} {}
    void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
    void print() const;

  private:
    std::vector<std::vector<std::string>> rows_;
};

/// The middle of the values, the mean of the two middle ones when their number is even; 0 of none.
[[nodiscard]] double median(std::vector<double> values);

/// The time now as RFC 3339 in UTC, to the second.
[[nodiscard]] std::string now_text();

} // namespace walcast::bench
