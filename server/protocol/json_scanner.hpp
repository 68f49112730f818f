#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace walcast {

enum class json_token : std::uint8_t {
    object_begin,
    object_end,
    array_begin,
    array_end,
    key, ///< of an object's member, with its quotes; its colon is already behind
    string,
    number,
    boolean,
    null,
    end,   ///< after the one value there is only white space
    error, ///< not JSON; every later call says so too
};

/// Walks through a JSON text token by token and says where each one is, without decoding or copying anything.
///
/// RapidJSON decodes every string into memory of its own, at some 250 MB/s: too slow and too large for log
/// rows that carry whole manifests of which nothing is sent on. This goes through strings eight bytes at a
/// time. It accepts what RFC 8259 does, and, so that a row is not lost for it, marks as irregular what later
/// readers stumble over: see `irregular`. Nesting costs a bit a level and no stack.
class json_scanner {
  public:
    explicit json_scanner(std::string_view text)
        : text_(text) {}

    [[nodiscard]] json_token next();

    /// The bytes of the token last returned.
    [[nodiscard]] std::string_view token() const { return text_.substr(begin_, end_ - begin_); }
    /// Where it begins and ends in the text. For a key, `end` is after its quotes too.
    [[nodiscard]] std::size_t begin() const { return begin_; }
    [[nodiscard]] std::size_t end() const { return end_; }
    /// Containers that are open after the token last returned.
    [[nodiscard]] std::size_t depth() const { return depth_; }
    /// The token last returned is a string with bytes that are not UTF-8 or with half a surrogate pair, or a
    /// number beyond the range of a double.
    [[nodiscard]] bool irregular() const { return irregular_; }

    /// Moves to the end of the value that `first`, the token last returned, begins: for scalars there is
    /// nothing to do. False when the text turns out not to be JSON. `deepest` becomes the greatest depth met,
    /// if that is more.
    bool skip(json_token first, std::size_t &deepest);

  private:
    enum class expectation : std::uint8_t {
        value,
        value_or_end,
        key,
        key_or_end,
        comma_or_end,
        nothing,
        failed
    };

    json_token fail();
    json_token scalar(json_token kind);
    json_token open(bool object);
    json_token close(char bracket);
    json_token value(char first);
    void skip_space();
    [[nodiscard]] char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
    bool take_string();
    bool take_escape();
    bool take_number();
    bool take_word(std::string_view word);

    std::string_view text_;
    std::size_t at_ = 0, begin_ = 0, end_ = 0;
    expectation expects_ = expectation::value;
    bool irregular_ = false;
    /// The open containers, 1 for an object: the innermost 64 at most in `bits_`, each full word before in
    /// `outer_`.
    std::size_t depth_ = 0;
    std::uint64_t bits_ = 0;
    std::vector<std::uint64_t> outer_;
};

} // namespace walcast
