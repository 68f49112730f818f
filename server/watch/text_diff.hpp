#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace walcast {

/// Where two texts of one line differ: what is around is alike. Never cuts a character in two.
struct text_change {
    std::string_view before, after; ///< what differs; either may be empty
    std::string_view head, tail;    ///< what is alike before and behind it
};
[[nodiscard]] text_change find_change(std::string_view before, std::string_view after);

/// A run of lines that was replaced by another; either may be empty.
struct line_change {
    std::size_t line = 0; ///< where it begins in the text after, from 1
    std::vector<std::string_view> before, after;
};

/// The changes that make one text of lines from another: the fewest, if what is between the first and the
/// last of them is no more than some hundred lines, and one large one otherwise. In order.
[[nodiscard]] std::vector<line_change> find_line_changes(std::string_view before, std::string_view after);

} // namespace walcast
