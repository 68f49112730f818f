#include "server/net/socket_options.hpp"

#include <algorithm>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace walcast {

namespace {

/// Unsent bytes that the kernel may hold for a connection before its socket counts as full.
constexpr int notsent_low_water = 64 * 1024;

void set_option(int descriptor, int level, int name, int to) {
    // An option that cannot be set leaves the connection usable.
    (void)::setsockopt(descriptor, level, name, &to, sizeof to);
}

} // namespace

void prepare_socket(tcp_socket &socket, liveness patience) {
    boost::system::error_code ignored;
    socket.native_non_blocking(true, ignored);
    const int descriptor = socket.native_handle();
    set_option(descriptor, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(descriptor, IPPROTO_TCP, TCP_NOTSENT_LOWAT, notsent_low_water);
    // A peer that vanished (no FIN, no RST: a cable, a NAT that forgot) acknowledges nothing. With data on
    // its way TCP_USER_TIMEOUT ends the connection, where retransmissions alone would go on for a quarter of
    // an hour; without, it decides how long unanswered keepalives go on.
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(patience.probe_after).count();
    const int probe_s = static_cast<int>(std::clamp<std::int64_t>(seconds, 1, 3600));
    const int give_up_ms =
        static_cast<int>(std::clamp<std::int64_t>(patience.give_up.count(), 1000, 24 * 3'600'000));
    set_option(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, probe_s);
    set_option(descriptor, IPPROTO_TCP, TCP_KEEPINTVL, probe_s);
    set_option(descriptor, IPPROTO_TCP, TCP_USER_TIMEOUT, give_up_ms);
}

} // namespace walcast
