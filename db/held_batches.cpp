#include "db/held_batches.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace walcast {

void held_batches::add(batch next) {
    bytes_ += next.bytes;
    transactions_ += next.transactions.size();
    held_.push_back(std::move(next));
}

std::vector<batch> held_batches::release(const visibility &seen, std::int64_t now_us) {
    std::vector<batch> made;
    while (!held_.empty()) {
        auto &next = held_.front();
        // Rows that were read from a table have no number, and were visible to be read.
        const auto hidden =
            std::find_if(next.transactions.begin(), next.transactions.end(),
                         [&](const auto &one) { return one->xid() != 0 && !seen.sees(one->xid()); });
        const auto visible = static_cast<std::size_t>(hidden - next.transactions.begin());
        if (visible > 0 || next.transactions.empty())
            note_visible(now_us);
        if (hidden != next.transactions.end()) {
            if (visible > 0)
                made.push_back(split(next, visible));
            note_waiting(now_us);
            break;
        }
        bytes_ -= next.bytes;
        transactions_ -= next.transactions.size();
        passed_ = next.decoded;
        ready_ = next.ready;
        made.push_back(std::move(next));
        held_.pop_front();
    }
    return made;
}

batch held_batches::split(batch &from, std::size_t count) {
    batch made;
    made.epoch = from.epoch;
    made.exact = from.exact;
    made.origin = from.origin;
    made.ready = ready_; // what makes it so is at the end
    const auto end = from.transactions.begin() + static_cast<std::ptrdiff_t>(count);
    made.transactions.assign(std::make_move_iterator(from.transactions.begin()),
                             std::make_move_iterator(end));
    from.transactions.erase(from.transactions.begin(), end);
    for (const auto &one : made.transactions) {
        made.bytes += one->footprint();
        if (one->last())
            passed_ = one->end();
    }
    made.decoded = passed_;
    made.bytes = std::min(made.bytes, from.bytes);
    from.bytes -= made.bytes;
    bytes_ -= made.bytes;
    transactions_ -= count;
    return made;
}

void held_batches::note_waiting(std::int64_t now_us) {
    if (std::exchange(waiting_, true))
        return;
    since_us_ = now_us;
    ++waits_;
}

void held_batches::note_visible(std::int64_t now_us) {
    if (std::exchange(waiting_, false))
        waited_us_ += now_us - since_us_;
}

held_status held_batches::status(std::int64_t now_us) const {
    return {.transactions = transactions_,
            .bytes = bytes_,
            .oldest_us = waiting_ ? now_us - since_us_ : 0,
            .waits = waits_,
            .waited_us = waited_us_ + (waiting_ ? now_us - since_us_ : 0)};
}

} // namespace walcast
