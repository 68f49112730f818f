#pragma once

#include "tests/bench/child_process.hpp"
#include "tests/bench/slots.hpp"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace walcast::bench {

/// When pg_recvlogical sees each change: the soonest that any reader of a slot can know. It writes what comes
/// into a pipe, where a thread looks for marks (see mark_text) and notes the time of each.
class commit_watch {
  public:
    /// Times are kept for marks 0 … `marks` - 1. The slot is made, and dropped by stop().
    commit_watch(slot_admin &slots, const std::string &pg_bin, const std::string &connection,
                 const plugin_options &options, const std::string &folder, std::size_t marks);
    ~commit_watch();
    commit_watch(const commit_watch &) = delete;
    commit_watch &operator=(const commit_watch &) = delete;

    /// Ends pg_recvlogical. What was seen, steady_clock in ns by mark; 0: it did not come.
    [[nodiscard]] std::vector<std::uint64_t> stop();

  private:
    void run(const std::stop_token &stop);

    slot_admin &slots_;
    std::string pipe_path_;
    int pipe_ = -1;
    std::vector<std::uint64_t> seen_; ///< the thread's, until it has ended
    std::unique_ptr<child_process> reader_;
    std::jthread thread_;
};

/// What a row has in it so that its change can be told: `mark:` and 8 digits.
inline constexpr std::string_view mark_head = "mark:";
inline constexpr std::size_t mark_digits = 8;
[[nodiscard]] std::string mark_text(std::size_t mark);

/// Calls `with` (mark) for each in the bytes; returns how many of them are done with: what is behind may be
/// the beginning of another one.
template <class Function>
std::size_t for_each_mark(std::string_view bytes, Function &&with) {
    std::size_t done = 0;
    for (;;) {
        const auto at = bytes.find(mark_head, done);
        if (at == std::string_view::npos)
            return std::max(done, bytes.size() - std::min(bytes.size(), mark_head.size() - 1));
        if (bytes.size() - at < mark_head.size() + mark_digits)
            return at;
        std::size_t mark = 0;
        const auto *const digits = bytes.data() + at + mark_head.size();
        if (std::from_chars(digits, digits + mark_digits, mark).ptr == digits + mark_digits)
            with(mark);
        done = at + mark_head.size() + mark_digits;
    }
}

} // namespace walcast::bench
