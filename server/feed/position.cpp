#include "server/feed/position.hpp"

#include <charconv>
#include <fmt/format.h>

namespace walcast {

std::string to_string(lsn where) {
    return fmt::format("{:X}/{:X}", where.value >> 32, where.value & 0xffffffffu);
}

std::optional<lsn> parse_lsn(std::string_view text) {
    const auto slash = text.find('/');
    if (slash == std::string_view::npos)
        return std::nullopt;
    const auto half = [](std::string_view digits) -> std::optional<std::uint64_t> {
        std::uint32_t number = 0;
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number, 16);
        if (error != std::errc{} || end != digits.data() + digits.size() || digits.empty())
            return std::nullopt;
        return number;
    };
    const auto high = half(text.substr(0, slash));
    const auto low = half(text.substr(slash + 1));
    if (!high || !low)
        return std::nullopt;
    return lsn{*high << 32 | *low};
}

} // namespace walcast
