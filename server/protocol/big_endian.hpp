#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace walcast {

/// The numbers in what we seal (resume_token, stream_place), big-endian, one behind the other.

/// Writes the bytes of a number; returns where the next one goes.
template <class Number, class Output>
Output put_big_endian(Number number, Output into) {
    for (auto shift = 8 * sizeof(Number); shift != 0; shift -= 8)
        *into++ = static_cast<unsigned char>(static_cast<std::uint64_t>(number) >> (shift - 8));
    return into;
}

/// Takes numbers from the front of a text; zeros, and `short_of` is set, when it is at its end.
struct number_taker {
    std::string_view from;
    bool short_of = false;

    template <class Number>
    void take(Number &number) {
        std::uint64_t bits = 0;
        short_of = short_of || from.size() < sizeof(Number);
        for (std::size_t byte = 0; byte < sizeof(Number) && !short_of; ++byte)
            bits = bits << 8 | static_cast<unsigned char>(from[byte]);
        from.remove_prefix(std::min(from.size(), sizeof(Number)));
        number = static_cast<Number>(bits);
    }
};

} // namespace walcast
