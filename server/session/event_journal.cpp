#include "server/session/event_journal.hpp"

#include <utility>

namespace walcast {

void event_journal::append(std::uint64_t segment, std::uint32_t change, log_id id) {
    numbers_[id] = end();
    entries_.push_back({segment, change, false, id, nullptr});
    while (entries_.size() > most_entries_) {
        const auto oldest = numbers_.find(entries_.front().id);
        if (oldest != numbers_.end() && oldest->second == first_)
            numbers_.erase(oldest);
        if (entries_.front().frame)
            frame_bytes_ -= entries_.front().frame->bytes().size();
        entries_.pop_front();
        ++first_;
    }
}

std::optional<std::uint64_t> event_journal::find(log_id id) const {
    const auto found = numbers_.find(id);
    if (found == numbers_.end())
        return std::nullopt;
    return found->second;
}

void event_journal::keep_frame(std::uint64_t number, shared_frame frame) {
    frame_bytes_ += frame->bytes().size();
    entries_[number - first_].frame = std::move(frame);
    framed_.push_back(number);
    while (frame_bytes_ > most_frame_bytes_ && framed_.size() > 1) {
        const auto oldest = framed_.front();
        framed_.pop_front();
        if (oldest < first_)
            continue; // left with its entry
        auto &entry = entries_[oldest - first_];
        frame_bytes_ -= entry.frame->bytes().size();
        entry.frame = nullptr;
    }
}

} // namespace walcast
