#include "server/protocol/like_pattern.hpp"

#include "server/protocol/utf8.hpp"

#include <algorithm>

namespace walcast {

namespace {
char fold(char letter) {
    return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
}

/// Bytes of the character that `text` begins with; a byte that begins none counts as one.
std::size_t character(std::string_view text) {
    return std::max<std::size_t>(utf8_length(text), 1);
}
} // namespace

like_pattern::like_pattern(std::string_view pattern, letter_case letters)
    : pieces_(1)
    , letters_(letters) {
    const auto add = [this](char byte, bool any) {
        auto &into = pieces_.back();
        if (any && into.any.empty())
            into.any.resize(into.bytes.size());
        into.bytes.push_back(letters_ == letter_case::ignored ? fold(byte) : byte);
        if (any || !into.any.empty())
            into.any.push_back(any);
        ++least_;
    };
    for (std::size_t at = 0; at < pattern.size(); ++at) {
        const char byte = pattern[at];
        if (byte == '%') {
            // The first piece may be empty; of several `%` in a row one is enough.
            if (pieces_.size() == 1 || !pieces_.back().bytes.empty())
                pieces_.emplace_back();
        } else if (byte == '\\' && at + 1 < pattern.size()) {
            add(pattern[++at], false);
        } else {
            add(byte, byte == '_');
        }
    }
}

std::size_t like_pattern::match_at(const piece &what, std::string_view text) const {
    std::size_t at = 0;
    for (std::size_t byte = 0; byte < what.bytes.size(); ++byte) {
        if (at >= text.size())
            return text.npos;
        if (!what.any.empty() && what.any[byte]) {
            at += character(text.substr(at));
        } else {
            const char found = letters_ == letter_case::ignored ? fold(text[at]) : text[at];
            if (found != what.bytes[byte])
                return text.npos;
            ++at;
        }
    }
    return at;
}

bool like_pattern::matches(std::string_view text) const {
    if (text.size() < least_)
        return false;
    const auto start = match_at(pieces_.front(), text);
    if (start == text.npos)
        return false;
    text.remove_prefix(start);
    if (pieces_.size() == 1)
        return text.empty();

    // Each piece as far left as it goes, which leaves the most for those after it.
    for (std::size_t number = 1; number + 1 < pieces_.size(); ++number) {
        const auto &what = pieces_[number];
        if (what.any.empty() && letters_ == letter_case::exact) {
            const auto found = text.find(what.bytes);
            if (found == text.npos)
                return false;
            text.remove_prefix(found + what.bytes.size());
            continue;
        }
        std::size_t length = match_at(what, text);
        while (length == text.npos) {
            if (text.size() <= what.bytes.size())
                return false;
            text.remove_prefix(character(text));
            length = match_at(what, text);
        }
        text.remove_prefix(length);
    }

    const auto &tail = pieces_.back();
    if (tail.any.empty()) {
        if (text.size() < tail.bytes.size())
            return false;
        return match_at(tail, text.substr(text.size() - tail.bytes.size())) != text.npos;
    }
    for (; text.size() >= tail.bytes.size(); text.remove_prefix(character(text)))
        if (match_at(tail, text) == text.size())
            return true;
    return false;
}

std::size_t like_pattern::footprint() const {
    std::size_t bytes = pieces_.capacity() * sizeof(piece);
    for (const auto &what : pieces_)
        bytes += what.bytes.capacity() + what.any.capacity() / 8;
    return bytes;
}

} // namespace walcast
