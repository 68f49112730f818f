#include "server/protocol/json_scanner.hpp"

#include "server/protocol/json_escape.hpp"
#include "server/protocol/utf8.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>

namespace walcast {

namespace {

/// Marks, in the top bit of each byte, which of eight bytes are a quote, a backslash, a control character or
/// beyond ASCII. Bytes above the lowest one marked may be marked without cause (the subtractions borrow),
/// that one never is.
std::uint64_t special_bytes(std::uint64_t bytes) {
    constexpr std::uint64_t ones = 0x0101010101010101, highs = 0x8080808080808080;
    const std::uint64_t quote = bytes ^ (ones * '"'), backslash = bytes ^ (ones * '\\');
    return (bytes | (bytes - ones * 0x20) | (quote - ones) | (backslash - ones)) & highs;
}

bool plain(char byte) {
    return static_cast<unsigned char>(byte) >= 0x20 && static_cast<unsigned char>(byte) < 0x80 &&
           byte != '"' && byte != '\\';
}

bool digit(char byte) {
    return byte >= '0' && byte <= '9';
}

/// Whether a number in JSON's grammar is beyond what a double holds. One that is too small is not: it reads
/// as zero.
bool beyond_double(std::string_view number) {
    const auto exponent_at = number.find_first_of("eE");
    if (number.size() < 200 && (exponent_at == number.npos || number.size() - exponent_at < 4))
        return false; // fewer than 200 digits and an exponent of two at most: almost all numbers
    double ignored = 0;
    const auto *const last = number.data() + number.size();
    if (std::from_chars(number.data(), last, ignored).ec != std::errc::result_out_of_range)
        return false;
    // Too large or too small? The decimal point's place, counted from the first digit, tells.
    if (number.front() == '-')
        number.remove_prefix(1);
    const auto whole_digits =
        number.front() == '0' ? 0 : std::min(number.find_first_of(".eE"), number.size());
    std::int64_t exponent = 0;
    if (exponent_at != std::string_view::npos) {
        const char *first = number.data() + number.find_first_of("eE") + 1;
        const bool negative = *first == '-';
        if (negative || *first == '+')
            ++first;
        if (std::from_chars(first, last, exponent).ec != std::errc{})
            return !negative;
        exponent = negative ? -exponent : exponent;
    }
    return static_cast<std::int64_t>(whole_digits) + exponent > 0;
}

} // namespace

json_token json_scanner::next() {
    irregular_ = false;
    skip_space();
    begin_ = end_ = at_;
    if (expects_ == expectation::failed)
        return json_token::error;
    if (expects_ == expectation::nothing)
        return at_ == text_.size() ? json_token::end : fail();
    if (at_ == text_.size())
        return fail();

    char first = text_[at_];
    if (expects_ == expectation::comma_or_end) {
        if (first != ',')
            return close(first);
        ++at_;
        skip_space();
        begin_ = at_;
        first = peek();
        expects_ = bits_ & 1 ? expectation::key : expectation::value;
    }
    if (expects_ == expectation::key || expects_ == expectation::key_or_end) {
        if (first == '}' && expects_ == expectation::key_or_end)
            return close(first);
        if (first != '"' || !take_string())
            return fail();
        end_ = at_;
        skip_space();
        if (peek() != ':')
            return fail();
        ++at_;
        expects_ = expectation::value;
        return json_token::key;
    }
    if (first == ']' && expects_ == expectation::value_or_end)
        return close(first);
    return value(first);
}

json_token json_scanner::value(char first) {
    switch (first) {
    case '{':
        return open(true);
    case '[':
        return open(false);
    case '"':
        return take_string() ? scalar(json_token::string) : fail();
    case 't':
        return take_word("true") ? scalar(json_token::boolean) : fail();
    case 'f':
        return take_word("false") ? scalar(json_token::boolean) : fail();
    case 'n':
        return take_word("null") ? scalar(json_token::null) : fail();
    default:
        return take_number() ? scalar(json_token::number) : fail();
    }
}

json_token json_scanner::fail() {
    expects_ = expectation::failed;
    return json_token::error;
}

json_token json_scanner::scalar(json_token kind) {
    end_ = at_;
    expects_ = depth_ == 0 ? expectation::nothing : expectation::comma_or_end;
    return kind;
}

json_token json_scanner::open(bool object) {
    if (depth_ % 64 == 0 && depth_ != 0)
        outer_.push_back(bits_);
    bits_ = bits_ << 1 | (object ? 1 : 0);
    ++depth_;
    end_ = ++at_;
    expects_ = object ? expectation::key_or_end : expectation::value_or_end;
    return object ? json_token::object_begin : json_token::array_begin;
}

json_token json_scanner::close(char bracket) {
    const bool object = bits_ & 1;
    if (bracket != (object ? '}' : ']'))
        return fail();
    --depth_;
    bits_ >>= 1;
    if (depth_ % 64 == 0 && depth_ != 0) {
        bits_ = outer_.back();
        outer_.pop_back();
    }
    ++at_;
    return scalar(object ? json_token::object_end : json_token::array_end);
}

bool json_scanner::skip(json_token first, std::size_t &deepest) {
    if (first != json_token::object_begin && first != json_token::array_begin)
        return first != json_token::error;
    const auto outside = depth_ - 1;
    bool seen_irregular = false;
    while (depth_ > outside) {
        deepest = depth_ > deepest ? depth_ : deepest;
        if (next() == json_token::error)
            return false;
        seen_irregular |= irregular_;
    }
    irregular_ = seen_irregular;
    return true;
}

void json_scanner::skip_space() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t'))
        ++at_;
}

bool json_scanner::take_string() {
    ++at_;
    for (;;) {
        while (text_.size() - at_ >= 8) {
            std::uint64_t eight;
            std::memcpy(&eight, text_.data() + at_, sizeof eight);
            const auto special = special_bytes(eight);
            if (special != 0) {
                if constexpr (std::endian::native == std::endian::little)
                    at_ += static_cast<std::size_t>(std::countr_zero(special)) / 8;
                break;
            }
            at_ += 8;
        }
        while (at_ < text_.size() && plain(text_[at_]))
            ++at_;
        if (at_ == text_.size())
            return false;
        const char byte = text_[at_];
        if (byte == '"') {
            ++at_;
            return true;
        }
        if (byte == '\\') {
            if (!take_escape())
                return false;
        } else if (static_cast<unsigned char>(byte) < 0x20) {
            return false;
        } else {
            const auto length = utf8_length(text_.substr(at_));
            irregular_ |= length == 0;
            at_ += length == 0 ? 1 : length;
        }
    }
}

bool json_scanner::take_escape() {
    const char kind = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
    if (kind != 'u') {
        at_ += 2;
        return kind != '\0' && std::string_view("\"\\/bfnrt").find(kind) != std::string_view::npos;
    }
    const auto unit = hex4(text_.substr(at_ + 2));
    if (!unit)
        return false;
    at_ += 6;
    if (low_surrogate(*unit)) {
        irregular_ = true;
    } else if (high_surrogate(*unit)) {
        if (low_escape_follows(text_.substr(at_)))
            at_ += 6;
        else
            irregular_ = true;
    }
    return true;
}

bool json_scanner::take_number() {
    const auto start = at_;
    const auto take_digits = [this] {
        const auto first = at_;
        while (digit(peek()))
            ++at_;
        return at_ > first;
    };
    if (peek() == '-')
        ++at_;
    if (peek() == '0')
        ++at_;
    else if (!take_digits())
        return false;
    if (peek() == '.') {
        ++at_;
        if (!take_digits())
            return false;
    }
    if (peek() == 'e' || peek() == 'E') {
        ++at_;
        if (peek() == '+' || peek() == '-')
            ++at_;
        if (!take_digits())
            return false;
    }
    irregular_ = beyond_double(text_.substr(start, at_ - start));
    return true;
}

bool json_scanner::take_word(std::string_view word) {
    if (!text_.substr(at_).starts_with(word))
        return false;
    at_ += word.size();
    return true;
}

} // namespace walcast
