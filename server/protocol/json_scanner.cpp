#include "server/protocol/json_scanner.hpp"

#include "server/protocol/utf8.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <optional>
#include <rapidjson/document.h>

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

/// Four hexadecimal digits at the front of `text`.
std::optional<unsigned> hex4(std::string_view text) {
    if (text.size() < 4)
        return std::nullopt;
    unsigned number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + 4, number, 16);
    if (error != std::errc{} || end != text.data() + 4)
        return std::nullopt;
    return number;
}

bool high_surrogate(unsigned unit) {
    return unit >= 0xd800 && unit <= 0xdbff;
}
bool low_surrogate(unsigned unit) {
    return unit >= 0xdc00 && unit <= 0xdfff;
}

/// The low half that must follow a high one, at the front of `text`.
bool low_escape_follows(std::string_view text) {
    if (!text.starts_with("\\u"))
        return false;
    const auto unit = hex4(text.substr(2));
    return unit && low_surrogate(*unit);
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

/// Rewrites the inside of one irregular string.
void append_regular(std::string &into, std::string_view token) {
    while (!token.empty()) {
        if (token.starts_with("\\u")) {
            const auto unit = hex4(token.substr(2)).value_or(0);
            const bool pair = high_surrogate(unit) && low_escape_follows(token.substr(6));
            if (!pair && (high_surrogate(unit) || low_surrogate(unit)))
                into.append(replacement_character);
            else
                into.append(token, 0, pair ? 12 : 6);
            token.remove_prefix(pair ? 12 : 6);
        } else if (token.front() == '\\') {
            into.append(token, 0, 2);
            token.remove_prefix(2);
        } else if (const auto length = utf8_length(token); length != 0) {
            into.append(token, 0, length);
            token.remove_prefix(length);
        } else {
            into.append(replacement_character);
            token.remove_prefix(1);
        }
    }
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

std::string regular_json(std::string_view text) {
    std::string made;
    made.reserve(text.size() + 64);
    json_scanner scanner(text);
    std::size_t copied = 0;
    for (auto token = scanner.next(); token != json_token::end && token != json_token::error;
         token = scanner.next()) {
        if (!scanner.irregular())
            continue;
        made.append(text, copied, scanner.begin() - copied);
        copied = scanner.end();
        const auto bytes = scanner.token();
        if (token == json_token::number)
            made.append("\"").append(bytes).append("\"");
        else
            append_regular(made, bytes);
    }
    return made.append(text, copied);
}

std::string decode_json_string(std::string_view token) {
    rapidjson::Document document;
    document.Parse(token.data(), token.size());
    return document.IsString() ? std::string(document.GetString(), document.GetStringLength())
                               : std::string();
}

bool json_string_is(std::string_view token, std::string_view text) {
    const auto inside = token.substr(1, token.size() - 2);
    if (inside.size() == text.size())
        return inside == text;
    if (inside.size() < text.size() || inside.size() > text.size() * 6 || inside.find('\\') == inside.npos)
        return false;
    return decode_json_string(token) == text;
}

} // namespace walcast
