#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace walcast {

enum class letter_case : std::uint8_t {
    exact,   ///< `like`
    ignored, ///< `ilike`; ASCII letters only
};

/// A compiled SQL LIKE pattern: `%` is any run of characters, `_` is one character (not one byte), a
/// backslash makes the next character literal. Matching takes at most (length of the text)² steps whatever
/// the pattern, and does not allocate.
class like_pattern {
  public:
    like_pattern(std::string_view pattern, letter_case letters);

    [[nodiscard]] bool matches(std::string_view text) const;
    [[nodiscard]] std::size_t footprint() const;

  private:
    /// The pattern between two `%`: bytes to compare, and which of them stand for any one character.
    struct piece {
        std::string bytes;     ///< case-folded when case is ignored
        std::vector<bool> any; ///< empty when there is no `_` in the piece
    };
    [[nodiscard]] std::size_t match_at(const piece &what, std::string_view text) const;

    std::vector<piece> pieces_; ///< never empty; the first is anchored at the start, the last at the end
    std::size_t least_ = 0;     ///< bytes that a matching text has at least
    letter_case letters_;
};

} // namespace walcast
