#include "tests/bench/ws_client.hpp"

#include <fmt/format.h>

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <stdexcept>

namespace walcast::bench {

namespace {

constexpr std::size_t read_bytes = std::size_t{256} << 10;
constexpr std::size_t max_response = 16 * 1024;

// The nonce of RFC 6455 §1.3 and its answer: a load generator needs no secrecy, only to notice a wrong
// answer.
constexpr std::string_view nonce = "dGhlIHNhbXBsZSBub25jZQ==";
constexpr std::string_view nonce_answer = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

[[nodiscard]] std::string errno_text() {
    return std::strerror(errno);
}

[[nodiscard]] std::string resolve(const std::string &host, std::uint16_t port) {
    const addrinfo hints{.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    addrinfo *found = nullptr;
    if (const int error = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
        error != 0)
        throw std::runtime_error(fmt::format("{}: {}", host, ::gai_strerror(error)));
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner{found, &::freeaddrinfo};
    return {reinterpret_cast<const char *>(found->ai_addr), found->ai_addrlen};
}

} // namespace

ws_client_pool::ws_client_pool(ws_options options)
    : options_{std::move(options)}
    , epoll_{::epoll_create1(EPOLL_CLOEXEC)}
    , scratch_(read_bytes)
    , address_{resolve(options_.host, options_.port)} {
    if (epoll_ < 0)
        throw std::runtime_error("epoll_create1: " + errno_text());
}

ws_client_pool::~ws_client_pool() {
    for (const session &each : sessions_)
        if (each.descriptor >= 0)
            ::close(each.descriptor);
    ::close(epoll_);
}

void ws_client_pool::open(std::size_t count, std::chrono::milliseconds limit) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    const std::size_t closed_before = closed_;
    const std::size_t wanted = opened_ + count;
    const std::size_t total = sessions_.size() + count;
    sessions_.reserve(total);
    while (opened_ < wanted) {
        while (sessions_.size() < total && sessions_.size() - closed_ - opened_ < options_.opening)
            connect_one();
        poll(std::chrono::milliseconds{50});
        if (closed_ != closed_before)
            throw std::runtime_error(failure_);
        if (std::chrono::steady_clock::now() > deadline)
            throw std::runtime_error(fmt::format("only {} of {} sessions opened in time", opened_, wanted));
    }
}

void ws_client_pool::connect_one() {
    const auto *address = reinterpret_cast<const sockaddr *>(address_.data());
    const int descriptor = ::socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        throw std::runtime_error("socket: " + errno_text());
    const std::size_t index = sessions_.size();
    sessions_.emplace_back().descriptor = descriptor;
    sessions_.back().watched = options_.watch_all;
    const int on = 1;
    ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    epoll_event interest{.events = EPOLLIN | EPOLLOUT, .data = {.u64 = index}};
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &interest) != 0)
        throw std::runtime_error("epoll_ctl: " + errno_text());
    if (::connect(descriptor, address, static_cast<socklen_t>(address_.size())) != 0 && errno != EINPROGRESS)
        close(index, "connect: " + errno_text());
}

void ws_client_pool::connected(std::size_t index) {
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(sessions_[index].descriptor, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
        close(index, fmt::format("connect: {}", std::strerror(error)));
        return;
    }
    sessions_[index].now = stage::shaking;
    listen_for_write(index, false);
    write(index, fmt::format("GET {} HTTP/1.1\r\nHost: {}:{}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                             "Sec-WebSocket-Key: {}\r\nSec-WebSocket-Version: 13\r\n\r\n",
                             options_.targets.empty() ? options_.target
                                                      : options_.targets[index % options_.targets.size()],
                             options_.host, options_.port, nonce));
}

void ws_client_pool::send(std::size_t index, std::string_view text) {
    std::string frame;
    mask_ = mask_ * 1664525u + 1013904223u;
    append_client_frame(frame, opcode::text, text, mask_);
    write(index, frame);
}

void ws_client_pool::send_all(std::string_view text) {
    for (std::size_t i = 0; i < sessions_.size(); ++i)
        send(i, text);
}

bool ws_client_pool::poll(std::chrono::milliseconds limit) {
    std::array<epoll_event, 256> ready;
    const int count =
        ::epoll_wait(epoll_, ready.data(), static_cast<int>(ready.size()), static_cast<int>(limit.count()));
    if (count < 0 && errno != EINTR)
        throw std::runtime_error("epoll_wait: " + errno_text());
    for (int i = 0; i < count; ++i) {
        const epoll_event &event = ready[static_cast<std::size_t>(i)];
        const auto index = static_cast<std::size_t>(event.data.u64);
        if (sessions_[index].now == stage::connecting)
            connected(index);
        else if ((event.events & EPOLLOUT) != 0)
            flush(index);
        if ((event.events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && sessions_[index].now != stage::closed)
            read(index);
    }
    return count > 0;
}

void ws_client_pool::read(std::size_t index) {
    session &self = sessions_[index];
    const std::size_t kept = self.rest.size();
    if (scratch_.size() < kept + read_bytes)
        scratch_.resize(kept + read_bytes);
    std::memcpy(scratch_.data(), self.rest.data(), kept);
    const ssize_t got = ::recv(self.descriptor, scratch_.data() + kept, scratch_.size() - kept, 0);
    if (got < 0) {
        if (errno != EAGAIN && errno != EINTR)
            close(index, "recv: " + errno_text());
        return;
    }
    if (got == 0) {
        close(index, "the server closed the connection");
        return;
    }
    const std::string_view bytes{scratch_.data(), kept + static_cast<std::size_t>(got)};
    std::size_t taken = self.now == stage::shaking ? take_response(index, bytes) : 0;
    if (self.now == stage::open)
        taken += take_frames(index, bytes.substr(taken));
    self.rest.assign(bytes.substr(taken));
}

std::size_t ws_client_pool::take_response(std::size_t index, std::string_view bytes) {
    const std::size_t end = bytes.find("\r\n\r\n");
    if (end == std::string_view::npos) {
        if (bytes.size() > max_response)
            close(index, "the answer to the handshake is too long");
        return 0;
    }
    const std::string_view head = bytes.substr(0, end);
    if (!head.starts_with("HTTP/1.1 101 ") || head.find(nonce_answer) == std::string_view::npos) {
        close(index, fmt::format("the handshake was refused: {}", head.substr(0, head.find('\r'))));
        return 0;
    }
    sessions_[index].now = stage::open;
    ++opened_;
    return end + 4;
}

std::size_t ws_client_pool::take_frames(std::size_t index, std::string_view bytes) {
    std::size_t taken = 0;
    frame_view frame;
    while (sessions_[index].now == stage::open) {
        switch (parse_server_frame(bytes.substr(taken), options_.max_message, frame)) {
        case frame_status::complete:
            take_frame(index, frame);
            taken += frame.size;
            break;
        case frame_status::incomplete:
            return taken;
        case frame_status::invalid:
            close(index, "the server sent a frame that is not valid or too large");
            return taken;
        }
    }
    return taken;
}

void ws_client_pool::take_frame(std::size_t index, const frame_view &frame) {
    session &self = sessions_[index];
    std::string reply;
    switch (frame.code) {
    case opcode::text:
    case opcode::continuation:
        if (frame.last && self.fragments.empty()) {
            take_text(index, frame.payload);
            return;
        }
        if (self.fragments.size() + frame.payload.size() > options_.max_message) {
            close(index, "the server sent a message that is too large");
            return;
        }
        self.fragments += frame.payload;
        if (frame.last) {
            take_text(index, self.fragments);
            self.fragments.clear();
        }
        return;
    case opcode::ping:
        append_client_frame(reply, opcode::pong, frame.payload, mask_);
        write(index, reply);
        return;
    case opcode::close:
        close(index, "the server sent a close frame");
        return;
    case opcode::binary:
        close(index, "the server sent a binary frame");
        return;
    case opcode::pong:
        return;
    }
}

void ws_client_pool::take_text(std::size_t index, std::string_view text) {
    session &self = sessions_[index];
    const bool reply = text.size() < options_.reply_bytes;
    if (reply) {
        ++replies_;
    } else {
        ++events_;
        ++self.events;
        event_bytes_ += text.size();
    }
    if (handler_ && (reply || self.watched))
        handler_(index, text);
}

void ws_client_pool::write(std::size_t index, std::string_view bytes) {
    session &self = sessions_[index];
    if (self.now == stage::closed)
        return;
    const bool waiting = !self.unsent.empty();
    self.unsent += bytes;
    if (self.unsent.size() > options_.max_unsent)
        close(index, "the server does not read");
    else if (!waiting)
        flush(index);
}

void ws_client_pool::flush(std::size_t index) {
    session &self = sessions_[index];
    while (!self.unsent.empty()) {
        const ssize_t sent = ::send(self.descriptor, self.unsent.data(), self.unsent.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) {
            listen_for_write(index, true);
            return;
        }
        if (sent < 0) {
            close(index, "send: " + errno_text());
            return;
        }
        self.unsent.erase(0, static_cast<std::size_t>(sent));
        if (self.unsent.empty())
            listen_for_write(index, false);
    }
}

void ws_client_pool::listen_for_write(std::size_t index, bool wanted) {
    epoll_event interest{.events = EPOLLIN, .data = {.u64 = index}};
    if (wanted)
        interest.events |= EPOLLOUT;
    ::epoll_ctl(epoll_, EPOLL_CTL_MOD, sessions_[index].descriptor, &interest);
}

void ws_client_pool::close(std::size_t index, const std::string &why) {
    session &self = sessions_[index];
    if (self.now == stage::closed)
        return;
    if (self.now == stage::open)
        --opened_;
    if (failure_.empty())
        failure_ = fmt::format("session {}: {}", index, why);
    ::close(self.descriptor);
    self.descriptor = -1;
    self.now = stage::closed;
    self.rest.clear();
    self.unsent.clear();
    ++closed_;
}

} // namespace walcast::bench
