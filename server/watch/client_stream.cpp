#include "server/watch/client_stream.hpp"

#include <boost/asio/post.hpp>

namespace walcast {

namespace asio = boost::asio;

client_stream::client_stream(asio::io_context &context, asio::ssl::context *tls)
    : executor_(context.get_executor())
    , socket_(context) {
    if (tls != nullptr)
        tls_.emplace(socket_, *tls);
}

void client_stream::close() {
    error_code ignored;
    socket_.close(ignored);
}

void client_stream::handshake(finished then) {
    tls_->async_handshake(asio::ssl::stream_base::client, std::move(then));
}

void client_stream::read_some(few<asio::mutable_buffer> into, transferred then) {
    if (tls_)
        tls_->async_read_some(into, std::move(then));
    else
        socket_.async_read_some(into, std::move(then));
}

void client_stream::write_some(few<asio::const_buffer> from, transferred then) {
    if (tls_)
        tls_->async_write_some(from, std::move(then));
    else
        socket_.async_write_some(from, std::move(then));
}

void client_stream::shut_down(finished then) {
    if (tls_)
        return tls_->async_shutdown(std::move(then));
    error_code error;
    socket_.shutdown(asio::ip::tcp::socket::shutdown_both, error);
    asio::post(executor_, [then = std::move(then), error] { then(error); });
}

} // namespace walcast
