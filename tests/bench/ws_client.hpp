#pragma once

#include "tests/bench/ws_frame.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace walcast::bench {

/// Where a pool connects to, and its bounds.
struct ws_options {
    std::string host = "127.0.0.1";
    std::uint16_t port = 0;
    std::string target = "/websocket"; ///< path and query; holds the token, so never printed
    std::vector<std::string> targets;  ///< instead, if there are any: one session after the other
    std::size_t reply_bytes = 48;      ///< a shorter text is a reply or an idle `{}`, not an event
    bool watch_all = false;            ///< events of all sessions go to the handler, from the first on
    std::size_t max_message = std::size_t{16} << 20; ///< a larger message is an error
    std::size_t max_unsent = std::size_t{64} << 10;  ///< per session; more is an error
    std::size_t opening = 64;                        ///< handshakes under way at once
};

/// Many WebSocket clients on one thread and one epoll, made to cost less than the server that they measure.
///
/// A program calls open(), then poll() again and again. Frames are parsed where recv() put them; only the
/// beginning of a frame whose end has not come yet is kept and moved. Pings are answered. Every event is
/// counted for its session; the handler sees the replies of all sessions and the events of the watched ones.
/// It must not call the pool. A session that breaks the protocol or ends is closed and counted; failure()
/// says why the first one did.
class ws_client_pool {
  public:
    using text_handler = std::function<void(std::size_t session, std::string_view text)>;

    explicit ws_client_pool(ws_options options);
    ~ws_client_pool();
    ws_client_pool(const ws_client_pool &) = delete;
    ws_client_pool &operator=(const ws_client_pool &) = delete;

    void on_text(text_handler handler) { handler_ = std::move(handler); }

    /// Adds `count` sessions and returns when each has shaken hands. Throws std::runtime_error when one could
    /// not.
    void open(std::size_t count, std::chrono::milliseconds limit);
    /// Events of this session go to the handler from now on.
    void watch(std::size_t index) { sessions_[index].watched = true; }
    void send(std::size_t index, std::string_view text);
    void send_all(std::string_view text);

    /// Waits up to `limit` for something to read and reads it. Returns whether anything was.
    bool poll(std::chrono::milliseconds limit);

    [[nodiscard]] std::size_t size() const { return sessions_.size(); }
    [[nodiscard]] std::size_t closed() const { return closed_; }
    [[nodiscard]] std::uint64_t events() const { return events_; } ///< of all sessions
    [[nodiscard]] std::uint64_t events(std::size_t index) const { return sessions_[index].events; }
    [[nodiscard]] std::uint64_t event_bytes() const { return event_bytes_; } ///< payloads of events()
    [[nodiscard]] std::uint64_t replies() const { return replies_; }
    [[nodiscard]] const std::string &failure() const { return failure_; }

  private:
    enum class stage : std::uint8_t {
        connecting, ///< connect() is under way
        shaking,    ///< the request is sent, the answer is not complete
        open,       ///< frames
        closed,     ///< the descriptor is closed
    };

    struct session {
        int descriptor = -1;
        stage now = stage::connecting;
        bool watched = false;
        std::uint64_t events = 0;
        std::string rest;      ///< the bytes after the last whole frame
        std::string fragments; ///< the message so far, when it comes in several frames
        std::string unsent;
    };

    void connect_one();
    void connected(std::size_t index);
    void write(std::size_t index, std::string_view bytes);
    void flush(std::size_t index);
    void read(std::size_t index);
    [[nodiscard]] std::size_t take_response(std::size_t index, std::string_view bytes);
    [[nodiscard]] std::size_t take_frames(std::size_t index, std::string_view bytes);
    void take_frame(std::size_t index, const frame_view &frame);
    void take_text(std::size_t index, std::string_view text);
    void listen_for_write(std::size_t index, bool wanted);
    void close(std::size_t index, const std::string &why);

    ws_options options_;
    text_handler handler_;
    int epoll_ = -1;
    std::vector<session> sessions_;
    std::vector<char> scratch_;
    std::string address_; ///< a sockaddr
    std::uint32_t mask_ = 0x9e3779b9;
    std::size_t opened_ = 0;
    std::size_t closed_ = 0;
    std::uint64_t events_ = 0;
    std::uint64_t event_bytes_ = 0;
    std::uint64_t replies_ = 0;
    std::string failure_;
};

} // namespace walcast::bench
