#include "server/net/shard.hpp"

#include "server/net/http_connection.hpp"
#include "server/net/session_carrier.hpp"
#include "server/net/socket_options.hpp"
#include "server/ops/clock.hpp"

#include <algorithm>
#include <array>
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
constexpr std::chrono::milliseconds accept_pause{100};
/// Told that there is no room, in one turn.
constexpr int most_turned_away = 16;

void share_port(int descriptor) {
    const int on = 1;
    if (::setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0)
        throw boost::system::system_error(errno, boost::system::system_category(), "SO_REUSEPORT");
}

} // namespace

shard::shard(unsigned number, feed::limits feed_bounds, session_limits sessions, net_limits limits,
             admission &door, make_services outside, const record_classes &classes,
             const std::vector<token_seal::key> &keys, site &pages, logger &log,
             session_probe &sessions_probe, net_probe &probe)
    : number_(number)
    , limits_(limits)
    , door_(door)
    , outside_(outside(*this))
    , site_(pages)
    , log_(log)
    , probe_(probe)
    , hub_(feed_bounds, sessions, *outside_, sessions_probe)
    , seal_(keys)
    , topics_(hub_, classes, seal_, *outside_) {}

shard::~shard() {
    stop();
    if (thread_.joinable())
        thread_.join();
    // Sessions refer to the hub, and handlers that are still pending in io_, which outlives it, hold
    // connections.
    for (auto &[address, one] : connections_)
        if (one.carrier)
            one.carrier->abandon();
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

void shard::after(std::chrono::milliseconds delay, std::function<void()> then) {
    using timer = decltype(ticker_);
    const auto waiting = std::make_shared<timer>(io_.get_executor(), delay);
    waiting->async_wait([waiting, then = std::move(then)](error_code error) {
        if (!error)
            then();
    });
}

void shard::deliver(std::shared_ptr<const batch> next, judgement_ptr made, std::function<void()> handled) {
    backlog_bytes_.fetch_add(next->bytes, std::memory_order_relaxed);
    asio::post(io_, [this, next = std::move(next), made = std::move(made), handled = std::move(handled)] {
        hub_.append(*next, made->events, unix_microseconds());
        topics_.append(*next, *made);
        settled_.store(topics_.settled().value, std::memory_order_relaxed);
        backlog_bytes_.fetch_sub(next->bytes, std::memory_order_relaxed);
        handled();
    });
}

void shard::judged(judgement_ptr made) {
    asio::post(io_, [this, made = std::move(made)] {
        hub_.judged(made->events, unix_microseconds());
        topics_.judged(*made);
    });
}

void shard::fill(std::shared_ptr<const std::vector<transaction_ptr>> rows, lsn as_of,
                 std::function<void()> handled) {
    post([this, rows = std::move(rows), as_of, handled = std::move(handled)] {
        hub_.when_decoded(as_of, [this, rows, handled] {
            hub_.fill(*rows, unix_microseconds());
            handled();
        });
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
        cannot_accept(error);
    });
}

void shard::cannot_accept(error_code why) {
    // Out of descriptors or memory. Those who are connected live on; newcomers are told, or wait in the
    // backlog, until there is room again. The kernel says so even when nobody waits, hence the pause.
    if (!std::exchange(starved_, true))
        log_.warning("cannot accept connections", {{"error", why.message()}});
    for (int count = 0; count < most_turned_away && !tls_ && spare_.give_up(); ++count) {
        const bool somebody = turn_away();
        spare_.keep();
        if (!somebody)
            break;
    }
    auto again = std::make_shared<asio::steady_timer>(io_, accept_pause);
    again->async_wait([this, again](error_code) {
        if (acceptor_.is_open())
            accept();
    });
}

bool shard::turn_away() {
    const int client = ::accept4(acceptor_.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (client < 0)
        return false;
    // Closed with unread bytes, a socket sends a reset, which may overtake the answer.
    std::array<char, 4096> request;
    while (::recv(client, request.data(), request.size(), 0) == static_cast<ssize_t>(request.size()))
        ;
    const auto answer = farewell_of(refusal::descriptors);
    (void)::send(client, answer.data(), answer.size(), MSG_NOSIGNAL);
    ::close(client);
    probe_.refused(to_string(refusal::descriptors));
    return true;
}

void shard::accepted(tcp_socket socket) {
    if (std::exchange(starved_, false))
        log_.info("accepting connections again");
    spare_.keep();
    error_code gone;
    const auto peer = socket.remote_endpoint(gone);
    if (gone)
        return;
    prepare_socket(socket, limits_.patience);
    auto admitted = door_.admit(peer.address());
    auto box = std::make_shared<outbox>(std::move(socket), tls_.get());
    if (const auto *why = std::get_if<refusal>(&admitted)) {
        probe_.refused(to_string(*why));
        auto farewell = door_.farewell();
        if (!farewell)
            return; // closed here
        connections_[box.get()] = {.box = box, .farewell = std::move(*farewell)};
        probe_.opened();
        asio::co_spawn(io_.get_executor(), http_connection::refuse(box, *this, *why), asio::detached);
        return;
    }
    connections_[box.get()] = {.box = box, .ticket = std::move(std::get<admission::ticket>(admitted))};
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
    topics_.tick();
    settled_.store(topics_.settled().value, std::memory_order_relaxed);
    const auto now = outbox::clock::now();
    std::vector<std::shared_ptr<session_carrier>> dead;
    for (auto &[address, one] : connections_) {
        one.box->check(now, limits_.stall_timeout);
        if (one.box->broken() && one.carrier)
            dead.push_back(one.carrier);
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
    // To end one may remove it.
    std::vector<std::shared_ptr<session_carrier>> carriers;
    for (auto &[address, one] : connections_) {
        if (one.carrier)
            carriers.push_back(one.carrier);
        else if (one.idle)
            one.box->abort();
        else // its request is on the way, and is answered
            one.box->deadline(outbox::clock::now() + request_timeout());
    }
    for (auto &one : carriers) {
        one->say_goodbye();
        one->close(close_code::service_restart, goodbye);
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
