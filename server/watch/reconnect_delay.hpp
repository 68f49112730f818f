#pragma once

#include <algorithm>
#include <chrono>
#include <random>

namespace walcast {

/// How long to wait before the next attempt: drawn evenly from zero to 0.1 s doubled for each attempt so far,
/// at most 15 s, so that the clients of a relay that was restarted do not all come back at once.
class reconnect_delay {
  public:
    using milliseconds = std::chrono::milliseconds;
    static constexpr milliseconds first{100}, most{15'000};

    explicit reconnect_delay(unsigned seed)
        : random_(seed) {}

    [[nodiscard]] milliseconds next() {
        const auto drawn = std::uniform_int_distribution<milliseconds::rep>(0, bound_.count())(random_);
        bound_ = std::min(bound_ * 2, most);
        return milliseconds(drawn);
    }
    void reset() { bound_ = first; }

  private:
    std::mt19937 random_;
    milliseconds bound_ = first;
};

} // namespace walcast
