#pragma once

#include "tests/bench/histogram.hpp"
#include "tests/bench/log_rows.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace walcast::bench {

/// Follows the sampled sessions: each must get every id once, in order, with msgID counting on.
class order_check {
  public:
    explicit order_check(std::size_t sessions)
        : last_(sessions) {}

    void event(std::size_t session, std::string_view text) {
        const auto marks = read_marks(text);
        if (!marks) {
            ++wrong_;
            return;
        }
        event_marks &last = last_[session];
        if (last.log != 0 && (marks->log != last.log + 1 || marks->message != last.message + 1))
            ++wrong_;
        last = *marks;
        if (recording_)
            delay_.record(now_ns() - marks->sent_ns);
    }

    void start_recording() {
        delay_ = {};
        recording_ = true;
    }

    void expect_last(std::size_t session, std::int64_t id) { wrong_ += last_[session].log != id ? 1u : 0u; }
    void add_wrong(std::uint64_t more) { wrong_ += more; }

    [[nodiscard]] std::uint64_t wrong() const { return wrong_; }
    [[nodiscard]] const histogram &delay() const { return delay_; }

  private:
    std::vector<event_marks> last_;
    histogram delay_;
    bool recording_ = false;
    std::uint64_t wrong_ = 0;
};

} // namespace walcast::bench
