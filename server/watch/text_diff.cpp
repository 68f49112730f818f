#include "server/watch/text_diff.hpp"

#include <algorithm>
#include <cstdint>

namespace walcast {

namespace {

using lines = std::vector<std::string_view>;

/// Lines of either text that are compared each with each.
constexpr std::size_t most_compared = 500;

bool continues_character(char byte) {
    return (static_cast<unsigned char>(byte) & 0xc0U) == 0x80;
}

lines lines_of(std::string_view text) {
    lines made;
    while (!text.empty()) {
        const auto end = std::min(text.find('\n'), text.size());
        made.push_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return made;
}

/// `common[i][j]`: how many lines the rests of the two texts from i and j have in common, in order.
class common_lines {
  public:
    common_lines(const lines &before, const lines &after)
        : width_(after.size() + 1)
        , count_((before.size() + 1) * width_) {
        for (auto i = before.size(); i-- > 0;)
            for (auto j = after.size(); j-- > 0;)
                count_[i * width_ + j] = before[i] == after[j]
                                             ? static_cast<std::uint16_t>(of(i + 1, j + 1) + 1)
                                             : std::max(of(i + 1, j), of(i, j + 1));
    }
    [[nodiscard]] std::uint16_t of(std::size_t i, std::size_t j) const { return count_[i * width_ + j]; }

  private:
    std::size_t width_;
    std::vector<std::uint16_t> count_;
};

} // namespace

text_change find_change(std::string_view before, std::string_view after) {
    const auto shorter = std::min(before.size(), after.size());
    std::size_t head = 0;
    while (head < shorter && before[head] == after[head])
        ++head;
    const auto within = [](std::string_view text, std::size_t at) {
        return at < text.size() && continues_character(text[at]);
    };
    while (head > 0 && (within(before, head) || within(after, head)))
        --head;
    std::size_t tail = 0;
    while (tail < shorter - head && before[before.size() - 1 - tail] == after[after.size() - 1 - tail])
        ++tail;
    while (tail > 0 && continues_character(before[before.size() - tail]))
        --tail;
    return {before.substr(head, before.size() - tail - head), after.substr(head, after.size() - tail - head),
            before.substr(0, head), before.substr(before.size() - tail)};
}

std::vector<line_change> find_line_changes(std::string_view before, std::string_view after) {
    auto old_lines = lines_of(before), new_lines = lines_of(after);
    const auto [old_first, new_first] =
        std::mismatch(old_lines.begin(), old_lines.end(), new_lines.begin(), new_lines.end());
    const auto head = static_cast<std::size_t>(old_first - old_lines.begin());
    old_lines.erase(old_lines.begin(), old_first);
    new_lines.erase(new_lines.begin(), new_first);
    while (!old_lines.empty() && !new_lines.empty() && old_lines.back() == new_lines.back()) {
        old_lines.pop_back();
        new_lines.pop_back();
    }
    if (old_lines.empty() && new_lines.empty())
        return {};
    if (old_lines.size() > most_compared || new_lines.size() > most_compared)
        return {{head + 1, std::move(old_lines), std::move(new_lines)}};

    const common_lines common(old_lines, new_lines);
    std::vector<line_change> made;
    bool open = false;
    const auto change = [&](std::size_t at) -> line_change & {
        if (!open)
            made.push_back({head + at + 1, {}, {}});
        open = true;
        return made.back();
    };
    std::size_t i = 0, j = 0;
    while (i < old_lines.size() || j < new_lines.size()) {
        if (i < old_lines.size() && j < new_lines.size() && old_lines[i] == new_lines[j]) {
            open = false;
            ++i;
            ++j;
        } else if (j == new_lines.size() ||
                   (i < old_lines.size() && common.of(i + 1, j) >= common.of(i, j + 1))) {
            change(j).before.push_back(old_lines[i]);
            ++i;
        } else {
            change(j).after.push_back(new_lines[j]);
            ++j;
        }
    }
    return made;
}

} // namespace walcast
