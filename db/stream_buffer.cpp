#include "db/stream_buffer.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>
#include <utility>

namespace walcast {

using boost::system::result;

namespace {
constexpr std::size_t chunk_bytes = 256 * 1024;
} // namespace

void stream_buffer::append(std::uint64_t receipt, std::string_view message) {
    const header before{receipt, message.size()};
    const auto needed = sizeof(before) + message.size();
    if (chunks_.empty() ||
        chunks_.back().size() + needed > std::max(chunk_bytes, chunks_.back().capacity())) {
        const bool first = chunks_.empty();
        auto &added = chunks_.emplace_back();
        if (!first) // the transaction is known not to be small
            added.reserve(std::max(chunk_bytes, needed));
        memory_ += added.capacity();
    }
    auto &into = chunks_.back();
    const auto held = into.capacity();
    into.append(reinterpret_cast<const char *>(&before), sizeof(before));
    into.append(message);
    memory_ += into.capacity() - held;
}

result<void> stream_buffer::spill(const std::string &directory) {
    if (!file_.is_open()) {
        auto opened = stream_spill::open(directory);
        if (!opened)
            return opened.error();
        file_ = std::move(*opened);
    }
    while (!chunks_.empty()) {
        if (auto written = file_.append(chunks_.front()); !written)
            return written;
        memory_ -= chunks_.front().capacity();
        chunks_.pop_front();
    }
    return {};
}

bool stream_buffer::aborted(std::uint32_t subxid) const {
    return !aborted_.empty() && std::binary_search(aborted_.begin(), aborted_.end(), subxid);
}

void stream_buffer::start_reading() {
    std::sort(aborted_.begin(), aborted_.end());
}

result<std::string_view> stream_buffer::take_from_file(std::size_t count) {
    if (window_.size() - window_at_ < count) {
        window_.erase(0, window_at_);
        window_at_ = 0;
        const auto have = window_.size();
        const auto left = file_.size() - file_at_;
        const auto more =
            static_cast<std::size_t>(std::min<std::uint64_t>(left, std::max(chunk_bytes, count - have)));
        window_.resize(have + more);
        if (auto got = file_.read(file_at_, std::span(window_).subspan(have)); !got)
            return got.error();
        file_at_ += more;
        if (window_.size() < count)
            return boost::system::error_code(EIO, boost::system::system_category());
    }
    const auto taken = std::string_view(window_).substr(window_at_, count);
    window_at_ += count;
    return taken;
}

result<std::optional<stream_buffer::record>> stream_buffer::next_from_file() {
    const auto front = take_from_file(sizeof(header));
    if (!front)
        return front.error();
    header before{};
    std::memcpy(&before, front->data(), sizeof(before));
    const auto message = take_from_file(before.size);
    if (!message)
        return message.error();
    return record{before.receipt, *message};
}

stream_buffer::record stream_buffer::next_from_memory() {
    const std::string_view rest = std::string_view(chunks_.front()).substr(chunk_at_);
    header before{};
    std::memcpy(&before, rest.data(), sizeof(before));
    chunk_at_ += sizeof(before) + before.size;
    chunk_done_ = chunk_at_ == chunks_.front().size();
    return {before.receipt, rest.substr(sizeof(before), before.size)};
}

result<std::optional<stream_buffer::record>> stream_buffer::next() {
    if (window_at_ < window_.size() || file_at_ < file_.size())
        return next_from_file();
    if (chunk_done_) {
        chunks_.pop_front();
        chunk_at_ = 0;
        chunk_done_ = false;
    }
    if (chunks_.empty())
        return std::optional<record>();
    return next_from_memory();
}

} // namespace walcast
