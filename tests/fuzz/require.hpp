#pragma once

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace walcast::fuzz {

/// What must hold for every input whatsoever. Where it does not, the program ends, and libFuzzer saves the
/// input.
inline void require(bool holds, std::string_view what) {
    if (holds)
        return;
    std::fprintf(stderr, "does not hold: %.*s\n", static_cast<int>(what.size()), what.data());
    std::abort();
}

/// RapidJSON refuses zero with an exponent that no double has, which is JSON, and zero: a number as it might
/// be one.
inline bool may_be_zero_with_an_exponent(std::string_view text) {
    for (auto at = text.find_first_of("eE"); at != text.npos; at = text.find_first_of("eE", at + 1)) {
        auto digits = text.substr(at + 1);
        digits.remove_prefix(digits.starts_with('+') ? 1 : 0);
        if (std::min(digits.find_first_not_of("0123456789"), digits.size()) >= 3)
            return true;
    }
    return false;
}

} // namespace walcast::fuzz
