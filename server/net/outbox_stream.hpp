#pragma once

#include "server/net/outbox.hpp"

#include <boost/asio/async_result.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core/bind_handler.hpp>
#include <boost/beast/core/buffers_range.hpp>
#include <boost/beast/core/role.hpp>
#include <memory>
#include <string>
#include <utility>

namespace walcast {

/// An outbox as Beast's next layer: reads come from the socket, as long as the queue has room, and writes go
/// into the queue and are done at once.
///
/// Beast hands over each of its writes whole (handshake, HTTP answer, pong, Close), so each becomes one entry
/// of the outbox and nothing can come between its bytes.
class outbox_stream {
  public:
    using executor_type = executor;

    explicit outbox_stream(std::shared_ptr<outbox> box)
        : box_(std::move(box)) {}

    [[nodiscard]] executor_type get_executor() noexcept { return box_->get_executor(); }
    [[nodiscard]] outbox &box() { return *box_; }

    template <class Buffers, class Handler>
    auto async_read_some(const Buffers &into, Handler &&handler) {
        return boost::asio::async_initiate<Handler, void(boost::system::error_code, std::size_t)>(
            [box = box_](auto &&inner, const Buffers &buffers) {
                if (!box->may_read()) {
                    auto later =
                        std::make_shared<std::decay_t<decltype(inner)>>(std::forward<decltype(inner)>(inner));
                    box->when_may_read([box, later, buffers] {
                        outbox_stream(box).async_read_some(buffers, std::move(*later));
                    });
                    return;
                }
                const boost::asio::mutable_buffer first = *boost::asio::buffer_sequence_begin(buffers);
                if (const auto kept = box->take_unread(static_cast<char *>(first.data()), first.size()))
                    boost::asio::post(box->get_executor(),
                                      boost::beast::bind_front_handler(std::forward<decltype(inner)>(inner),
                                                                       boost::system::error_code(), kept));
                else if (auto *tls = box->tls())
                    tls->async_read_some(buffers, std::forward<decltype(inner)>(inner));
                else
                    box->socket().async_read_some(buffers, std::forward<decltype(inner)>(inner));
            },
            handler, into);
    }

    template <class Buffers, class Handler>
    auto async_write_some(const Buffers &from, Handler &&handler) {
        return boost::asio::async_initiate<Handler, void(boost::system::error_code, std::size_t)>(
            [box = box_](auto &&inner, const Buffers &buffers) {
                std::string bytes;
                bytes.reserve(boost::asio::buffer_size(buffers));
                for (const auto part : boost::beast::buffers_range_ref(buffers))
                    bytes.append(static_cast<const char *>(part.data()), part.size());
                const auto size = bytes.size();
                const auto error = box->broken() ? boost::system::error_code(boost::asio::error::broken_pipe)
                                                 : boost::system::error_code();
                box->push({}, make_frame(std::move(bytes)));
                box->flush();
                boost::asio::post(
                    box->get_executor(),
                    boost::beast::bind_front_handler(std::forward<decltype(inner)>(inner), error, size));
            },
            handler, from);
    }

  private:
    std::shared_ptr<outbox> box_;
};

// What websocket::stream finds by argument-dependent look-up to end a connection.

inline void beast_close_socket(outbox_stream &stream) {
    stream.box().abort();
}

inline void teardown(boost::beast::role_type, outbox_stream &stream, boost::system::error_code &error) {
    stream.box().abort();
    error = {};
}

/// Lets what is queued (the Close frame is the last of it) reach the socket, then ends the connection.
template <class Handler>
void async_teardown(boost::beast::role_type, outbox_stream &stream, Handler &&handler) {
    auto done = std::make_shared<std::decay_t<Handler>>(std::forward<Handler>(handler));
    stream.box().when_drained([done, box = stream.box().shared_from_this()] {
        box->abort();
        (*done)(boost::system::error_code());
    });
}

} // namespace walcast
