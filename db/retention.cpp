#include "db/retention.hpp"

#include <algorithm>

namespace walcast {

namespace {
constexpr std::int64_t second_us = 1'000'000;
}

void retention::committed(lsn end, std::int64_t at_us) {
    if (!kept_.empty() && at_us - kept_.back().at_us < second_us)
        kept_.back().end = std::max(kept_.back().end, end);
    else
        kept_.push_back({end, at_us});
}

lsn retention::confirm(lsn decoded, std::int64_t now_us) {
    const auto too_old = [&](const mark &one) {
        return one.at_us < now_us - bounds_.age_us ||
               decoded.value - std::min(decoded, confirmed_).value > bounds_.wal_bytes;
    };
    while (!kept_.empty() && too_old(kept_.front())) {
        confirmed_ = std::max(confirmed_, kept_.front().end);
        kept_.pop_front();
    }
    if (kept_.empty())
        confirmed_ = std::max(confirmed_, decoded);
    return confirmed_;
}

} // namespace walcast
