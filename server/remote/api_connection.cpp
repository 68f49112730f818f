#include "server/remote/api_connection.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/system/system_error.hpp>
#include <fmt/format.h>
#include <openssl/ssl.h>
#include <utility>

namespace walcast {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::use_awaitable;
using boost::system::error_code;

namespace {

constexpr std::size_t most_header_bytes = std::size_t{32} << 10;

bool is_address(const std::string &host) {
    error_code no;
    asio::ip::make_address(host, no);
    return !no;
}

/// What a connection that the server has closed meanwhile looks like.
bool was_closed(const error_code &error) {
    return error == http::error::end_of_stream || error == asio::error::eof ||
           error == asio::error::connection_reset || error == asio::error::broken_pipe ||
           error == asio::ssl::error::stream_truncated;
}

} // namespace

std::string api_endpoint::authority() const {
    const bool usual = port == (tls ? 443 : 80);
    const auto name = host.find(':') == std::string::npos ? host : '[' + host + ']';
    return usual ? name : fmt::format("{}:{}", name, port);
}

api_connection::api_connection(asio::any_io_executor executor, asio::ssl::context &tls, api_limits limits)
    : executor_(std::move(executor))
    , tls_(tls)
    , limits_(limits) {}

void api_connection::close() {
    encrypted_.reset();
    plain_.reset();
    buffer_.clear();
}

beast::tcp_stream &api_connection::lowest() {
    return encrypted_ ? encrypted_->next_layer() : *plain_;
}

bool api_connection::reusable() const {
    return (encrypted_ || plain_) && std::chrono::steady_clock::now() - used_ < limits_.idle;
}

asio::awaitable<void> api_connection::open(const api_endpoint &where) {
    close();
    asio::ip::tcp::resolver resolver(executor_);
    const auto found = co_await resolver.async_resolve(where.host, std::to_string(where.port), use_awaitable);
    if (where.tls)
        encrypted_ = std::make_unique<tls_stream>(executor_, tls_);
    else
        plain_ = std::make_unique<beast::tcp_stream>(executor_);
    lowest().expires_after(limits_.connect);
    co_await lowest().async_connect(found, use_awaitable);
    lowest().socket().set_option(asio::ip::tcp::no_delay(true));
    if (!encrypted_)
        co_return;
    if (::SSL_get_verify_mode(encrypted_->native_handle()) != SSL_VERIFY_NONE)
        encrypted_->set_verify_callback(asio::ssl::host_name_verification(where.host));
    if (!is_address(where.host) &&
        !::SSL_set_tlsext_host_name(encrypted_->native_handle(), where.host.c_str()))
        throw boost::system::system_error(asio::error::invalid_argument);
    co_await encrypted_->async_handshake(asio::ssl::stream_base::client, use_awaitable);
}

template <class Stream>
asio::awaitable<api_connection::response> api_connection::exchange(Stream &over, const request &what) {
    beast::get_lowest_layer(over).expires_after(limits_.whole);
    co_await http::async_write(over, what, use_awaitable);
    http::response_parser<http::string_body> parser;
    parser.header_limit(most_header_bytes);
    parser.body_limit(limits_.answer_bytes);
    co_await http::async_read(over, buffer_, parser, use_awaitable);
    co_return parser.release();
}

asio::awaitable<api_connection::response> api_connection::exchange(const request &what) {
    // A coroutine's parameter that is a temporary would be gone; `what` is the caller's.
    if (encrypted_)
        co_return co_await exchange(*encrypted_, what);
    co_return co_await exchange(*plain_, what);
}

asio::awaitable<api_connection::response> api_connection::ask(const api_endpoint &where, request what) {
    what.set(http::field::host, where.authority());
    what.keep_alive(true);
    response answer;
    bool again = !reusable();
    if (!again) {
        try {
            answer = co_await exchange(what);
        } catch (const boost::system::system_error &error) {
            if (!was_closed(error.code())) {
                close();
                throw;
            }
            again = true;
        }
    }
    if (again) {
        try {
            co_await open(where);
            answer = co_await exchange(what);
        } catch (const boost::system::system_error &) {
            close();
            throw;
        }
    }
    used_ = std::chrono::steady_clock::now();
    if (answer.keep_alive())
        lowest().expires_never();
    else
        close();
    co_return answer;
}

} // namespace walcast
