#pragma once

#include "server/protocol/frame.hpp"

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/system/error_code.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace walcast {

using executor = boost::asio::io_context::executor_type;
using tcp_socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, executor>;
using tls_stream = boost::asio::ssl::stream<tcp_socket &>;

/// Everything that one client's socket is sent, in order, and the socket itself.
///
/// Two writers share it: Beast, for the handshake, HTTP answers, pongs and Close (through outbox_stream), and
/// the session, for messages. Each adds whole frames, so frames never interleave. flush() writes with one
/// gathering sendmsg for up to 256 pieces; what the socket does not take stays queued, and is the only
/// measure of back-pressure: TCP_NOTSENT_LOWAT keeps the kernel from hiding a backlog. An entry is a small
/// head of its own (WebSocket header and v0's msgID) and a shared body. Kept alive by its own pending I/O;
/// everything on the shard's thread.
class outbox : public std::enable_shared_from_this<outbox> {
  public:
    using clock = std::chrono::steady_clock;
    static constexpr std::size_t max_head = 48;

    /// `tls` may be null. The socket is connected.
    outbox(tcp_socket socket, boost::asio::ssl::context *tls);
    outbox(const outbox &) = delete;
    outbox &operator=(const outbox &) = delete;

    [[nodiscard]] executor get_executor() { return socket_.get_executor(); }
    [[nodiscard]] tcp_socket &socket() { return socket_; }
    [[nodiscard]] tls_stream *tls() { return tls_ ? &*tls_ : nullptr; }

    /// Queues a piece; nothing once the outbox is broken or sealed.
    void push(std::string_view head, shared_frame body);
    /// Nothing more is queued after this: a Close frame was the last.
    void seal() { sealed_ = true; }
    void flush();
    /// What is queued, and what keeping it costs beside its bytes: a queue of a hundred thousand pongs of two
    /// bytes is large.
    [[nodiscard]] std::size_t queued_bytes() const {
        return queued_bytes_ + (queue_.size() - first_) * entry_cost;
    }
    [[nodiscard]] bool broken() const { return broken_; }

    /// Calls `then` once, from a later turn, when less than `bytes` are queued or the outbox is broken.
    void when_below(std::size_t bytes, std::function<void()> then);
    /// Calls `then` when the queue is empty or the outbox broken: before the socket is closed.
    void when_drained(std::function<void()> then) { when_below(1, std::move(then)); }

    /// Ends the connection at once; reads and writes fail.
    void abort();
    /// Aborts at this time unless told otherwise. Kept by check().
    void deadline(clock::time_point at) { deadline_ = at; }
    void no_deadline() { deadline_ = clock::time_point::max(); }
    /// Called about once a second: aborts after the deadline, or when the socket has taken nothing for
    /// `stall`.
    void check(clock::time_point now, clock::duration stall);

    /// From this many queued bytes on, a client that does not take what it is sent is not listened to either:
    /// answers to what it sends (pongs, say) would pile up.
    void read_below(std::size_t bytes) { read_below_ = bytes; }
    [[nodiscard]] bool may_read() const { return broken_ || queued_bytes() < read_below_; }
    void when_may_read(std::function<void()> then) { when_below(read_below_, std::move(then)); }

    /// Bytes that were read too far: the next read returns them first.
    void unread(std::string_view bytes) { unread_.assign(bytes); }
    /// Takes bytes put back by unread(), as many as fit; zero if there are none.
    std::size_t take_unread(char *into, std::size_t size);

  private:
    struct entry {
        shared_frame body;
        std::uint8_t head_size = 0;
        std::array<char, max_head> head;

        [[nodiscard]] std::size_t size() const { return head_size + body->bytes().size(); }
    };

    /// An entry, and a frame that nobody shares.
    static constexpr std::size_t entry_cost = sizeof(entry) + sizeof(frame) + 16;

    struct waiter {
        std::size_t below;
        std::function<void()> then;
    };

    void flush_plain();
    void flush_tls();
    void wait_writable();
    void consume(std::size_t bytes);
    void fail();
    void notify();

    tcp_socket socket_;
    std::optional<tls_stream> tls_;
    std::vector<entry> queue_;     ///< from first_ on
    std::size_t first_ = 0;        ///< the entry being written
    std::size_t first_offset_ = 0; ///< how much of it is written
    std::size_t queued_bytes_ = 0;
    std::string tls_bytes_; ///< what SSL_write is working on
    std::vector<waiter> waiters_;
    std::size_t read_below_ = std::numeric_limits<std::size_t>::max();
    std::string unread_;
    clock::time_point deadline_ = clock::time_point::max();
    clock::time_point progress_ = clock::now(); ///< when the queue was last seen to move or to be empty
    bool moved_ = true;
    bool writing_ = false; ///< a wait or a TLS write is under way
    bool sealed_ = false;
    bool broken_ = false;
};

} // namespace walcast
