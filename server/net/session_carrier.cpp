#include "server/net/session_carrier.hpp"

#include <algorithm>
#include <utility>

namespace walcast {

session_carrier::~session_carrier() = default;

void session_carrier::request_writable() {
    if (std::exchange(writable_requested_, true))
        return;
    box_->when_below(std::max<std::size_t>(outbox_bound_ / 2, 1), [weak = weak_from_this()] {
        const auto self = weak.lock();
        if (!self)
            return;
        self->writable_requested_ = false;
        if (!self->session_)
            return;
        self->session_->writable();
        self->resume_input();
    });
}

} // namespace walcast
