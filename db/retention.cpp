#include "db/retention.hpp"

#include <algorithm>

namespace walcast {

namespace {
constexpr std::int64_t second_us = 1'000'000;
}

void retention::committed(lsn end, std::int64_t at_us) {
    last_ = std::max(last_, end);
    if (!kept_.empty() && at_us - kept_.back().at_us < second_us)
        kept_.back().end = std::max(kept_.back().end, end);
    else
        kept_.push_back({end, at_us});
}

lsn retention::confirm(lsn decoded, std::int64_t now_us, lsn settled) {
    const auto too_old = [&](const mark &one) {
        return one.at_us < now_us - bounds_.age_us ||
               decoded.value - std::min(decoded, due_).value > bounds_.wal_bytes;
    };
    while (!kept_.empty() && too_old(kept_.front())) {
        due_ = std::max(due_, kept_.front().end);
        kept_.pop_front();
    }
    if (kept_.empty())
        due_ = std::max(due_, decoded);
    // Where everything is settled there is nothing to wait for, and positions behind it have no transaction.
    const lsn budget{decoded.value - std::min(decoded.value, bounds_.wal_bytes)};
    const auto most = settled >= last_ ? due_ : std::max(settled, budget);
    confirmed_ = std::max(confirmed_, std::min(due_, most));
    return confirmed_;
}

} // namespace walcast
