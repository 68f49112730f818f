#pragma once

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <poll.h>

namespace walcast {

/// Waits until a descriptor is ready for one of the events of poll(), or at its end; false if it was not
/// within the time.
///
/// A signal does not shorten the wait: after its handler poll() is never restarted, whatever SA_RESTART says.
[[nodiscard]] inline bool wait_for(int descriptor, short events, std::chrono::milliseconds limit) {
    const auto until = std::chrono::steady_clock::now() + limit;
    for (auto left = limit;;) {
        pollfd one{descriptor, events, 0};
        const int ready = ::poll(&one, 1, static_cast<int>(left.count()));
        if (ready >= 0 || errno != EINTR)
            return ready > 0;
        left =
            std::max(std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now()),
                     std::chrono::milliseconds::zero());
    }
}

} // namespace walcast
