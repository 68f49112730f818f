// LIKE patterns against another reading of them, one that has a table of all pairs of places.

#include "server/protocol/like_pattern.hpp"

#include "server/protocol/utf8.hpp"
#include "tests/fuzz/records.hpp"
#include "tests/fuzz/require.hpp"

#include <algorithm>
#include <string>
#include <vector>

using namespace walcast;
using fuzz::require;

namespace {

/// A character of a pattern or a text; of a pattern also `%` and `_` that are not escaped.
struct character {
    enum class meaning : std::uint8_t { itself, any_one, any_run };
    std::string bytes;
    meaning is = meaning::itself;
};

std::string folded(std::string_view bytes, letter_case letters) {
    std::string made(bytes);
    if (letters == letter_case::ignored)
        std::transform(made.begin(), made.end(), made.begin(),
                       [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return made;
}

std::string_view take(std::string_view &from) {
    const auto one = from.substr(0, std::max<std::size_t>(1, utf8_length(from)));
    from.remove_prefix(one.size());
    return one;
}

std::vector<character> characters(std::string_view text, letter_case letters) {
    std::vector<character> made;
    while (!text.empty())
        made.push_back({folded(take(text), letters)});
    return made;
}

std::vector<character> meanings(std::string_view pattern, letter_case letters) {
    std::vector<character> made;
    while (!pattern.empty()) {
        const auto one = take(pattern);
        if (one == "%")
            made.push_back({{}, character::meaning::any_run});
        else if (one == "_")
            made.push_back({{}, character::meaning::any_one});
        else if (one == "\\" && !pattern.empty())
            made.push_back({folded(take(pattern), letters)});
        else
            made.push_back({folded(one, letters)});
    }
    return made;
}

bool matches(const std::vector<character> &pattern, const std::vector<character> &text) {
    std::vector<bool> reached(text.size() + 1, false);
    reached[0] = true;
    for (const auto &one : pattern) {
        std::vector<bool> next(text.size() + 1, false);
        for (std::size_t at = 0; at <= text.size(); ++at) {
            if (one.is == character::meaning::any_run)
                next[at] = reached[at] || (at > 0 && next[at - 1]);
            else if (at > 0 && reached[at - 1])
                next[at] = one.is == character::meaning::any_one || one.bytes == text[at - 1].bytes;
        }
        reached = std::move(next);
    }
    return reached.back();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    const auto records = fuzz::split_records(fuzz::as_text(data, size));
    const auto pattern = fuzz::record_at(records, 0), text = fuzz::record_at(records, 1);
    for (const auto letters : {letter_case::exact, letter_case::ignored}) {
        const like_pattern compiled(pattern, letters);
        const bool found = compiled.matches(text);
        // What a database sends is UTF-8; of other bytes only that nothing breaks is asked.
        if (is_utf8(pattern) && is_utf8(text) && pattern.size() * text.size() < 100'000)
            require(found == matches(meanings(pattern, letters), characters(text, letters)),
                    "a pattern matches what SQL says");
    }
    return 0;
}
