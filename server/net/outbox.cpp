#include "server/net/outbox.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <cstring>
#include <sys/socket.h>
#include <sys/uio.h>
#include <utility>

namespace walcast {

namespace {
/// A gathering write costs per call, hardly per piece; the kernel takes 1,024.
constexpr std::size_t most_pieces = 256;
/// A TLS record carries at most 16 KiB; gathering that much makes one record of many messages.
constexpr std::size_t tls_chunk = std::size_t{16} << 10;
/// A queue that once was long gives its memory back.
constexpr std::size_t keep_capacity = 64;
} // namespace

outbox::outbox(tcp_socket socket, boost::asio::ssl::context *tls)
    : socket_(std::move(socket)) {
    if (tls)
        tls_.emplace(socket_, *tls);
}

void outbox::push(std::string_view head, shared_frame body) {
    if (broken_ || sealed_)
        return;
    auto &added = queue_.emplace_back();
    added.head_size = static_cast<std::uint8_t>(std::min(head.size(), max_head));
    head.copy(added.head.data(), added.head_size);
    added.body = std::move(body);
    queued_bytes_ += added.size();
}

void outbox::flush() {
    if (writing_ || broken_ || queued_bytes_ == 0)
        return;
    if (tls_)
        flush_tls();
    else
        flush_plain();
}

void outbox::flush_plain() {
    while (queued_bytes_ > 0) {
        std::array<iovec, most_pieces> pieces;
        std::size_t count = 0;
        std::size_t skip = first_offset_;
        const auto add = [&](const char *bytes, std::size_t size) {
            const auto skipped = std::min(skip, size);
            skip -= skipped;
            if (size > skipped)
                pieces[count++] = {const_cast<char *>(bytes) + skipped, size - skipped};
        };
        for (auto at = first_; at < queue_.size() && count + 2 <= most_pieces; ++at) {
            add(queue_[at].head.data(), queue_[at].head_size);
            add(queue_[at].body->bytes().data(), queue_[at].body->bytes().size());
        }
        msghdr message{};
        message.msg_iov = pieces.data();
        message.msg_iovlen = count;
        const auto sent = ::sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0) {
            if (errno == EINTR)
                continue;
            if (errno == EAGAIN || errno == EWOULDBLOCK)
                return wait_writable();
            return fail();
        }
        consume(static_cast<std::size_t>(sent));
    }
    notify();
}

void outbox::wait_writable() {
    writing_ = true;
    socket_.async_wait(tcp_socket::wait_write, [self = shared_from_this()](boost::system::error_code error) {
        self->writing_ = false;
        if (error)
            return self->fail();
        self->flush();
        self->notify();
    });
}

void outbox::flush_tls() {
    tls_bytes_.clear();
    auto skip = first_offset_;
    for (auto at = first_; at < queue_.size() && tls_bytes_.size() < tls_chunk; ++at) {
        tls_bytes_.append(queue_[at].head.data(), queue_[at].head_size).append(queue_[at].body->bytes());
        if (skip > 0) {
            tls_bytes_.erase(0, skip);
            skip = 0;
        }
        if (tls_bytes_.size() > tls_chunk)
            tls_bytes_.resize(tls_chunk); // the rest of a long message goes with the next record
    }
    writing_ = true;
    boost::asio::async_write(*tls_, boost::asio::buffer(tls_bytes_),
                             [self = shared_from_this()](boost::system::error_code error, std::size_t sent) {
                                 self->writing_ = false;
                                 if (error)
                                     return self->fail();
                                 self->consume(sent);
                                 self->flush();
                                 self->notify();
                             });
}

void outbox::consume(std::size_t bytes) {
    moved_ = moved_ || bytes > 0;
    queued_bytes_ -= bytes;
    bytes += first_offset_;
    while (first_ < queue_.size() && bytes >= queue_[first_].size()) {
        bytes -= queue_[first_].size();
        queue_[first_++].body = nullptr;
    }
    first_offset_ = bytes;
    if (first_ < queue_.size()) {
        // A client that always has something queued would otherwise keep all that it ever had.
        if (first_ >= keep_capacity && first_ * 2 >= queue_.size()) {
            queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(first_));
            first_ = 0;
        }
        return;
    }
    queue_.clear();
    first_ = 0;
    if (queue_.capacity() > keep_capacity) {
        queue_ = {};
        tls_bytes_ = {};
    }
}

void outbox::notify() {
    const auto has_room = [this](const waiter &one) { return broken_ || queued_bytes() < one.below; };
    for (auto &one : waiters_)
        if (has_room(one))
            boost::asio::post(socket_.get_executor(), std::exchange(one.then, nullptr));
    std::erase_if(waiters_, [](const waiter &one) { return !one.then; });
}

void outbox::when_below(std::size_t bytes, std::function<void()> then) {
    waiters_.push_back({bytes, std::move(then)});
    notify();
}

void outbox::fail() {
    if (std::exchange(broken_, true))
        return;
    queue_.clear();
    first_ = first_offset_ = queued_bytes_ = 0;
    // Whoever reads finds the end, and takes the connection down from its own turn.
    ::shutdown(socket_.native_handle(), SHUT_RDWR);
    notify();
}

void outbox::abort() {
    fail();
}

void outbox::check(clock::time_point now, clock::duration stall) {
    if (queued_bytes_ == 0 || std::exchange(moved_, false))
        progress_ = now;
    if (now >= deadline_ || now - progress_ >= stall)
        fail();
}

std::size_t outbox::take_unread(char *into, std::size_t size) {
    const auto taken = std::min(size, unread_.size());
    std::memcpy(into, unread_.data(), taken);
    unread_.erase(0, taken);
    if (unread_.empty())
        unread_ = {};
    return taken;
}

} // namespace walcast
