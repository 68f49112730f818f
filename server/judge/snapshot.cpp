#include "server/judge/snapshot.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace walcast {

namespace {
/// The number at the beginning of the text, which is taken off.
std::optional<std::uint64_t> take_number(std::string_view &text) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc())
        return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return number;
}

bool take(std::string_view &text, char wanted) {
    if (text.empty() || text.front() != wanted)
        return false;
    text.remove_prefix(1);
    return true;
}
} // namespace

snapshot::snapshot(std::string_view text) {
    const auto xmin = take_number(text);
    if (!xmin || !take(text, ':'))
        return;
    const auto xmax = take_number(text);
    if (!xmax || !take(text, ':'))
        return;
    xmax_ = static_cast<std::uint32_t>(*xmax);
    while (!text.empty()) {
        const auto xid = take_number(text);
        if (!xid || !(text.empty() || take(text, ',')))
            return;
        in_progress_.push_back(static_cast<std::uint32_t>(*xid));
    }
    std::sort(in_progress_.begin(), in_progress_.end());
    valid_ = true;
}

bool snapshot::shows(std::uint32_t xid) const {
    // As PostgreSQL compares them: modulo 2^32.
    return valid_ && static_cast<std::int32_t>(xid - xmax_) < 0 &&
           !std::binary_search(in_progress_.begin(), in_progress_.end(), xid);
}

} // namespace walcast
