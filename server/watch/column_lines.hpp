#pragma once

#include "server/watch/event_line.hpp"
#include "server/watch/json_diff.hpp"

#include <rapidjson/document.h>
#include <string>
#include <string_view>
#include <vector>

namespace walcast {

/// Collects the lines of one message: a head, and the columns below it, aligned (see record_text.hpp).
class column_lines {
  public:
    explicit column_lines(line_color color)
        : color_(color == line_color::on) {}

    /// The line above. `at` is ready for a terminal.
    void head(std::string_view at, std::string_view what, std::string_view paint, std::string_view topic,
              std::string_view words = {});
    /// A column and all that is in it.
    void state(std::string_view column, const rapidjson::Value &value);
    /// What has changed in a column; nothing if it is the same.
    void change(std::string_view column, const rapidjson::Value &before, const rapidjson::Value &after);
    /// A column and words about it.
    void words(std::string_view column, std::string_view text);
    /// A line by itself.
    void sign(char sign, std::string_view text);

    [[nodiscard]] bool empty() const { return rows_.empty(); }
    /// Everything, with a line break behind each line.
    [[nodiscard]] std::string finish();

  private:
    struct row {
        char sign = ' ';
        std::string name; ///< ready for a terminal
        std::string text; ///< likewise, painted; may have lines of its own below
    };

    void add(const json_difference &place);
    [[nodiscard]] std::string painted(std::string_view safe, std::string_view paint) const;
    [[nodiscard]] std::string replaced(const rapidjson::Value &before, const rapidjson::Value &after) const;
    [[nodiscard]] std::string replaced_text(std::string_view before, std::string_view after) const;
    [[nodiscard]] std::string replaced_lines(std::string_view before, std::string_view after) const;

    bool color_;
    std::string head_;
    std::vector<row> rows_;
};

} // namespace walcast
