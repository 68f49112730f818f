#include "server/inherited_socket.hpp"

#include <algorithm>
#include <boost/system/system_error.hpp>
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <string>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>
#include <utility>

namespace walcast {

using boost::asio::ip::tcp;

namespace {
/// Every address is one, of whatever family: `::` takes IPv4 as well.
bool same(const tcp::endpoint &a, const tcp::endpoint &b) {
    const bool both_any = a.address().is_unspecified() && b.address().is_unspecified();
    return a.port() == b.port() && (both_any || a.address() == b.address());
}
} // namespace

inherited_socket::inherited_socket(inherited_socket &&other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)) {}

inherited_socket &inherited_socket::operator=(inherited_socket &&other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
}

inherited_socket::~inherited_socket() {
    if (descriptor_ >= 0)
        ::close(descriptor_);
}

std::optional<tcp::endpoint> inherited_socket::local() const {
    if (::sd_is_socket(descriptor_, AF_UNSPEC, SOCK_STREAM, 1) <= 0)
        return std::nullopt;
    tcp::endpoint at;
    auto size = static_cast<socklen_t>(at.capacity());
    if (::getsockname(descriptor_, at.data(), &size) != 0)
        return std::nullopt;
    const auto family = at.data()->sa_family;
    if (family != AF_INET && family != AF_INET6)
        return std::nullopt;
    return at;
}

int inherited_socket::duplicate() const {
    const int made = ::fcntl(descriptor_, F_DUPFD_CLOEXEC, 0);
    if (made < 0)
        throw boost::system::system_error(errno, boost::system::system_category());
    return made;
}

std::vector<inherited_socket> take_inherited_sockets() {
    std::vector<inherited_socket> taken;
    const int count = ::sd_listen_fds(1);
    for (int at = 0; at < count; ++at)
        taken.emplace_back(SD_LISTEN_FDS_START + at);
    return taken;
}

std::optional<inherited_socket> choose_inherited_socket(std::vector<inherited_socket> from,
                                                        const tcp::endpoint &configured, logger &log) {
    const auto listens_there = [&](const auto &one) {
        const auto at = one.local();
        return at && same(*at, configured);
    };
    auto found = std::find_if(from.begin(), from.end(), listens_there);
    if (found == from.end()) {
        found = std::find_if(from.begin(), from.end(), [](const auto &one) { return one.local(); });
        if (found != from.end())
            log.warning("the socket that was handed over listens elsewhere than the configuration says; it "
                        "is used: make ListenStream of the .socket unit and Services.Websocket.InternalURLs "
                        "agree",
                        {{"socket", to_string(*found->local())}, {"configured", to_string(configured)}});
    }
    for (auto one = from.begin(); one != from.end(); ++one)
        if (one != found) {
            const auto at = one->local();
            log.warning("a descriptor that was handed over is not used: take it out of the .socket unit",
                        {{"socket", at ? to_string(*at) : "no TCP socket that listens"}});
        }
    return found == from.end() ? std::nullopt : std::optional(std::move(*found));
}

std::string to_string(const tcp::endpoint &at) {
    const auto address = at.address().to_string();
    return at.address().is_v6() ? fmt::format("[{}]:{}", address, at.port())
                                : fmt::format("{}:{}", address, at.port());
}

} // namespace walcast
