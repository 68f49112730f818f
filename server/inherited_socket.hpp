#pragma once

#include "server/ops/log.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <optional>
#include <string>
#include <vector>

namespace walcast {

/// A listening TCP socket that whoever started us holds, too: systemd's socket activation. It lives on when
/// we end, so who connects while a new process starts waits in its backlog and is not refused.
///
/// Owns the descriptor. Shards accept on duplicates of it, which share the backlog. It is closed and never
/// shut down: a shutdown would end it for everyone who holds it, and with that what upgrades rely on.
class inherited_socket {
  public:
    explicit inherited_socket(int descriptor)
        : descriptor_(descriptor) {}
    inherited_socket(inherited_socket &&other) noexcept;
    inherited_socket &operator=(inherited_socket &&other) noexcept;
    ~inherited_socket();

    /// Where it listens; nothing if it is no TCP socket that listens.
    [[nodiscard]] std::optional<boost::asio::ip::tcp::endpoint> local() const;
    /// Another descriptor of the same socket, the caller's own. Throws boost::system::system_error.
    [[nodiscard]] int duplicate() const;

  private:
    int descriptor_;
};

/// The descriptors that sd_listen_fds(3) tells of. They are taken: a second call, or a child, finds none.
/// Changes the environment, so it is called before there are threads.
[[nodiscard]] std::vector<inherited_socket> take_inherited_sockets();

/// The one to accept on: the one that listens where the configuration says, or else the first, with a
/// warning, since it is where the service manager sends clients. Nothing if there is none. What is not used
/// is closed, with a warning: whoever connects to it is never answered.
[[nodiscard]] std::optional<inherited_socket>
choose_inherited_socket(std::vector<inherited_socket> from, const boost::asio::ip::tcp::endpoint &configured,
                        logger &log);

/// `address:port`, with brackets where they are needed.
[[nodiscard]] std::string to_string(const boost::asio::ip::tcp::endpoint &at);

} // namespace walcast
