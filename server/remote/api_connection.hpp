#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace walcast {

/// Where an Arvados API listens.
struct api_endpoint {
    bool tls = true;
    std::string host; ///< a name or an address
    std::uint16_t port = 443;

    [[nodiscard]] std::string authority() const;
};

struct api_limits {
    std::chrono::milliseconds connect{5'000}; ///< for TCP and TLS
    std::chrono::milliseconds whole{30'000};  ///< for request and answer
    std::chrono::milliseconds idle{20'000};   ///< kept open between requests; less than any server does
    std::size_t answer_bytes = std::size_t{1} << 20;
};

/// One connection to the Arvados API, kept open between requests. Errors are boost::system::system_error.
class api_connection {
  public:
    using request = boost::beast::http::request<boost::beast::http::empty_body>;
    using response = boost::beast::http::response<boost::beast::http::string_body>;

    /// `tls` holds whom we trust.
    api_connection(boost::asio::any_io_executor executor, boost::asio::ssl::context &tls, api_limits limits);

    /// Sends the request and reads the answer. A connection that is open already and turns out to be closed
    /// by the server is opened again once: nothing of an answer was seen, and nothing is changed by asking.
    [[nodiscard]] boost::asio::awaitable<response> ask(const api_endpoint &where, request what);
    void close();

  private:
    using tls_stream = boost::beast::ssl_stream<boost::beast::tcp_stream>;

    [[nodiscard]] bool reusable() const;
    boost::asio::awaitable<void> open(const api_endpoint &where);
    template <class Stream>
    boost::asio::awaitable<response> exchange(Stream &over, const request &what);
    boost::asio::awaitable<response> exchange(const request &what);
    [[nodiscard]] boost::beast::tcp_stream &lowest();

    boost::asio::any_io_executor executor_;
    boost::asio::ssl::context &tls_;
    api_limits limits_;
    std::unique_ptr<boost::beast::tcp_stream> plain_; ///< one of the two, or none: not open
    std::unique_ptr<tls_stream> encrypted_;
    boost::beast::flat_buffer buffer_;
    std::chrono::steady_clock::time_point used_;
};

} // namespace walcast
