#include "server/net/shard.hpp"

#include "server/net/http_connection.hpp"
#include "server/net/socket_options.hpp"
#include "server/net/websocket.hpp"
#include "server/ops/clock.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/system_error.hpp>
#include <cerrno>
#include <fmt/format.h>
#include <pthread.h>
#include <sys/socket.h>
#include <utility>
#include <vector>

namespace walcast {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

constexpr std::chrono::seconds tick_interval{1};
/// How long a client that connected just before the end may take to send its request.
constexpr std::chrono::milliseconds arrival_grace{1000};

void share_port(int descriptor) {
    const int on = 1;
    if (::setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0)
        throw boost::system::system_error(errno, boost::system::system_category(), "SO_REUSEPORT");
}

} // namespace

shard::shard(unsigned number, feed::limits feed_bounds, session_limits sessions, net_limits limits,
             make_services outside, site &pages, logger &log, session_probe &sessions_probe, net_probe &probe)
    : number_(number)
    , limits_(limits)
    , outside_(outside(*this))
    , site_(pages)
    , log_(log)
    , probe_(probe)
    , hub_(feed_bounds, sessions, *outside_, sessions_probe) {}

shard::~shard() {
    stop();
    if (thread_.joinable())
        thread_.join();
    // Sessions refer to the hub, and handlers that are still pending in io_, which outlives it, hold
    // connections.
    for (auto &[address, one] : connections_)
        if (one.websocket)
            one.websocket->abandon();
    connections_.clear();
}

std::uint16_t shard::listen(const asio::ip::tcp::endpoint &at, std::shared_ptr<asio::ssl::context> tls) {
    tls_ = std::move(tls);
    acceptor_.open(at.protocol());
    acceptor_.set_option(asio::socket_base::reuse_address(true));
    share_port(acceptor_.native_handle());
    acceptor_.bind(at);
    acceptor_.listen(4096);
    return acceptor_.local_endpoint().port();
}

void shard::listen_on(int socket, asio::ip::tcp protocol, std::shared_ptr<asio::ssl::context> tls) {
    tls_ = std::move(tls);
    acceptor_.assign(protocol, socket);
}

void shard::start() {
    thread_ = std::thread([this] {
        ::pthread_setname_np(::pthread_self(), fmt::format("walcast-shard{}", number_).c_str());
        tick();
        accept();
        io_.run();
    });
}

void shard::post(std::function<void()> work) {
    asio::post(io_, std::move(work));
}

void shard::deliver(std::shared_ptr<const batch> next, std::function<void()> handled) {
    backlog_bytes_.fetch_add(next->bytes, std::memory_order_relaxed);
    asio::post(io_, [this, next = std::move(next), handled = std::move(handled)] {
        hub_.append(*next, unix_microseconds());
        backlog_bytes_.fetch_sub(next->bytes, std::memory_order_relaxed);
        handled();
    });
}

void shard::use_tls(std::shared_ptr<asio::ssl::context> tls) {
    post([this, tls = std::move(tls)]() mutable { tls_ = std::move(tls); });
}

void shard::accept() {
    acceptor_.async_accept([this](error_code error, tcp_socket socket) {
        // Also when the acceptor is closed by now: this client has been let in, and waits for an answer.
        if (!error)
            accepted(std::move(socket));
        if (!acceptor_.is_open())
            return;
        if (!error)
            return accept();
        // Out of descriptors or memory: those who are connected live on, newcomers wait in the backlog.
        log_.warning("cannot accept a connection", {{"error", error.message()}});
        auto again = std::make_shared<asio::steady_timer>(io_, std::chrono::milliseconds(100));
        again->async_wait([this, again](error_code) {
            if (acceptor_.is_open())
                accept();
        });
    });
}

void shard::accepted(tcp_socket socket) {
    prepare_socket(socket, limits_.patience);
    auto box = std::make_shared<outbox>(std::move(socket), tls_.get());
    if (connections_.size() >= limits_.max_connections) {
        probe_.refused();
        if (!tls_) {
            box->push({},
                      make_frame("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 5\r\n"
                                 "Connection: close\r\n\r\n"));
            box->flush();
        }
        return; // closed here
    }
    connections_[box.get()].box = box;
    probe_.opened();
    asio::co_spawn(io_.get_executor(), http_connection::serve(box, *this), asio::detached);
}

void shard::forget(const outbox &box) {
    const auto found = connections_.find(&box);
    if (found == connections_.end())
        return;
    found->second.box->abort();
    connections_.erase(found);
    probe_.closed();
    if (drained_ && connections_.empty())
        std::exchange(drained_, nullptr)();
}

void shard::tick() {
    hub_.tick(unix_microseconds());
    const auto now = outbox::clock::now();
    std::vector<std::shared_ptr<websocket_connection>> dead;
    for (auto &[address, one] : connections_) {
        one.box->check(now, limits_.stall_timeout);
        if (one.box->broken() && one.websocket)
            dead.push_back(one.websocket);
    }
    for (auto &one : dead)
        one->broken();
    ticker_.expires_after(tick_interval);
    ticker_.async_wait([this](error_code error) {
        if (!error)
            tick();
    });
}

void shard::drain(std::function<void()> drained) {
    post([this, drained = std::move(drained)]() mutable {
        // Closed, never shut down: others may hold duplicates of the socket and its backlog.
        error_code ignored;
        acceptor_.close(ignored);
        draining_ = true;
        // Connections that were accepted before are handled first: their handlers are queued already.
        post([this, drained = std::move(drained)]() mutable {
            drained_ = std::move(drained);
            say_goodbye();
        });
    });
}

void shard::say_goodbye() {
    std::vector<connection> all;
    for (auto &[address, one] : connections_)
        all.push_back(one);
    for (auto &one : all) {
        if (one.websocket)
            one.websocket->close(close_code::service_restart, goodbye);
        else if (one.idle)
            one.box->abort();
        else // its request is on the way, and is answered
            one.box->deadline(outbox::clock::now() + request_timeout());
    }
    if (connections_.empty() && drained_)
        std::exchange(drained_, nullptr)();
}

std::chrono::milliseconds shard::request_timeout() const {
    return draining_ ? std::min(limits_.handshake_timeout, arrival_grace) : limits_.handshake_timeout;
}

void shard::stop() {
    io_.stop();
}

} // namespace walcast
