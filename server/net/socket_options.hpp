#pragma once

#include "server/net/outbox.hpp"

#include <chrono>

namespace walcast {

/// When a client that TCP does not hear from is given up.
struct liveness {
    std::chrono::milliseconds probe_after; ///< of silence, keepalives are sent, and as often from then on
    std::chrono::milliseconds give_up;     ///< without an acknowledgement, or with a window that stays closed
};

/// Makes a client's socket non-blocking, and says to the kernel how it is used: small writes go at once, a
/// backlog is kept by the outbox and not by the kernel, and a peer that is gone without a word is found.
void prepare_socket(tcp_socket &socket, liveness patience);

} // namespace walcast
