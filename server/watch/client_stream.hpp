#pragma once

#include <array>
#include <boost/asio/async_result.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/role.hpp>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

namespace walcast {

/// A connection over TCP or TLS, as one type, so that Beast's WebSocket is compiled once and not for each of
/// them with all of the other's templates below it.
///
/// Buffers and handlers are type-erased: that costs two allocations for each read and write, which a client
/// does not notice. Handlers are called right where an operation ends: so everything is on the one thread
/// that runs the io_context, without strands.
class client_stream {
  public:
    using executor_type = boost::asio::io_context::executor_type;
    using error_code = boost::system::error_code;
    using transferred = std::function<void(error_code, std::size_t)>;
    using finished = std::function<void(error_code)>;

    /// Over TLS if there is a context.
    client_stream(boost::asio::io_context &context, boost::asio::ssl::context *tls);

    [[nodiscard]] executor_type get_executor() { return executor_; }
    [[nodiscard]] boost::asio::ip::tcp::socket &socket() { return socket_; }
    /// Null without TLS.
    [[nodiscard]] SSL *tls() { return tls_ ? tls_->native_handle() : nullptr; }
    /// Every operation under way ends.
    void close();

    template <class Token>
    auto async_handshake(Token &&token) {
        return boost::asio::async_initiate<Token, void(error_code)>(
            [this](auto handler) { handshake(erased<finished>(std::move(handler))); }, token);
    }
    template <class Buffers, class Token>
    auto async_read_some(const Buffers &into, Token &&token) {
        return boost::asio::async_initiate<Token, void(error_code, std::size_t)>(
            [this](auto handler, const auto &buffers) {
                read_some(gathered<boost::asio::mutable_buffer>(buffers),
                          erased<transferred>(std::move(handler)));
            },
            token, into);
    }
    template <class Buffers, class Token>
    auto async_write_some(const Buffers &from, Token &&token) {
        return boost::asio::async_initiate<Token, void(error_code, std::size_t)>(
            [this](auto handler, const auto &buffers) {
                write_some(gathered<boost::asio::const_buffer>(buffers),
                           erased<transferred>(std::move(handler)));
            },
            token, from);
    }
    /// TLS says goodbye. Then the socket can be closed.
    void shut_down(finished then);

  private:
    /// Of a longer sequence the rest comes with the next operation, as after any partial one.
    template <class Buffer>
    using few = std::array<Buffer, 8>;

    template <class Buffer, class Buffers>
    static few<Buffer> gathered(const Buffers &buffers) {
        few<Buffer> made;
        auto next = made.begin();
        const auto end = boost::asio::buffer_sequence_end(buffers);
        for (auto at = boost::asio::buffer_sequence_begin(buffers); at != end && next != made.end(); ++at)
            *next++ = Buffer(*at);
        return made;
    }
    /// Handlers are moved only; a function must be copied.
    template <class Function, class Handler>
    static Function erased(Handler handler) {
        return [kept = std::make_shared<Handler>(std::move(handler))](auto... results) {
            std::move (*kept)(results...);
        };
    }

    void handshake(finished then);
    void read_some(few<boost::asio::mutable_buffer> into, transferred then);
    void write_some(few<boost::asio::const_buffer> from, transferred then);

    executor_type executor_;
    boost::asio::ip::tcp::socket socket_;
    std::optional<boost::asio::ssl::stream<boost::asio::ip::tcp::socket &>> tls_;
};

// What Beast's WebSocket looks for beside the stream:

inline void beast_close_socket(client_stream &stream) {
    stream.close();
}

template <class Handler>
void async_teardown(boost::beast::role_type, client_stream &stream, Handler &&handler) {
    stream.shut_down([kept = std::make_shared<std::decay_t<Handler>>(std::forward<Handler>(handler))](
                         client_stream::error_code error) { std::move (*kept)(error); });
}

} // namespace walcast
