#include "server/watch/watch_client.hpp"

#include "server/watch/client_stream.hpp"
#include "server/watch/safe_text.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket.hpp>
#include <csignal>
#include <exception>
#include <fmt/format.h>
#include <optional>
#include <utility>

namespace walcast {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace ssl = asio::ssl;
namespace websocket = beast::websocket;
using boost::system::error_code;

constexpr auto result_of = asio::as_tuple(asio::use_awaitable);

/// For connect and TLS together, and then for the upgrade.
constexpr std::chrono::seconds opening_time{10};
/// Half of it without a byte, and a ping goes out; all of it, and the server is gone.
constexpr std::chrono::seconds idle_time{60};
/// For saying goodbye.
constexpr std::chrono::seconds closing_time{1};
/// A buffer that once held a large message gives its memory back.
constexpr std::size_t keep_buffer = std::size_t{1} << 20;

bool is_hang_up(error_code error) {
    return error == asio::error::eof || error == asio::error::connection_reset ||
           error == asio::error::broken_pipe || error == ssl::error::stream_truncated ||
           error == http::error::end_of_stream || error == http::error::partial_message;
}

std::string describe(error_code error) {
    if (error == beast::error::timeout)
        return "no answer in time";
    return is_hang_up(error) ? "the server closed the connection" : error.message();
}

/// What went wrong in the TLS handshake. `verified` is OpenSSL's result for the certificate.
connection_end tls_failure(error_code error, long verified) {
    if (verified != X509_V_OK)
        return {ending::impossible,
                fmt::format("the server's certificate is not trusted: {} (--insecure accepts it)",
                            X509_verify_cert_error_string(verified))};
    if (error.category() == asio::error::get_ssl_category() &&
        ERR_GET_REASON(error.value()) == SSL_R_WRONG_VERSION_NUMBER)
        return {ending::impossible,
                "the server does not speak TLS there; without it the URL begins with ws://"};
    return {ending::unreachable, "TLS failed: " + describe(error)};
}

/// What went wrong in the upgrade. The server's own words are left out: they are not for a terminal.
connection_end upgrade_failure(error_code error, const websocket::response_type &answer, transport over) {
    const auto hint = over == transport::plain ? " (with TLS the URL begins with wss://)" : "";
    if (error == websocket::error::upgrade_declined) {
        const auto status = answer.result_int();
        const auto said =
            fmt::format("HTTP {} {}", status, std::string_view(http::obsolete_reason(answer.result())));
        if (status == 401 || status == 403)
            return {ending::impossible, "the server refuses the token: " + said};
        if (status == 408 || status == 429 || status >= 500)
            return {ending::unreachable, "the server cannot answer now: " + said};
        return {ending::impossible, "there is no WebSocket: " + said};
    }
    if (is_hang_up(error))
        return {ending::unreachable,
                "the server closed the connection before the upgrade" + std::string(hint)};
    const bool foreign = error.category() == http::make_error_code(http::error::bad_version).category() ||
                         error.category() == make_error_code(websocket::error::closed).category();
    if (foreign && error != beast::error::timeout)
        return {ending::impossible, "what answers there is no WebSocket server" + std::string(hint)};
    return {ending::unreachable, "the upgrade failed: " + describe(error)};
}

/// `reason` is the server's goodbye, without a code if there was none. It counts more than the error: what
/// follows a goodbye is the end of the connection below, which may fail in many ways.
connection_end read_failure(error_code error, const websocket::close_reason &reason) {
    if (error == websocket::error::message_too_big || error == websocket::error::buffer_overflow)
        return {ending::impossible,
                fmt::format("the server sent a message of more than {} MiB; go on behind it with "
                            "--last-log-id",
                            watch_client::max_message >> 20)};
    if (reason.code == websocket::close_code::none)
        return {ending::lost, describe(error)};
    const auto words = safe_text({reason.reason.data(), reason.reason.size()});
    return {reason.code == websocket::close_code::policy_error ? ending::impossible : ending::lost,
            fmt::format("the server closed the connection with code {}{}{}", reason.code,
                        words.empty() ? "" : ": ", words)};
}

} // namespace

class watch_client::impl {
  public:
    impl(watch_url where, certificate_check check)
        : where_(std::move(where)) {
        if (where_.over == transport::tls) {
            tls_.emplace(ssl::context::tls_client);
            tls_->set_options(ssl::context::default_workarounds | ssl::context::no_tlsv1 |
                              ssl::context::no_tlsv1_1);
            tls_->set_default_verify_paths();
            tls_->set_verify_mode(check == certificate_check::verified ? ssl::verify_peer : ssl::verify_none);
        }
        signals_.async_wait([this](error_code error, int) {
            if (!error)
                stop();
        });
    }

    connection_end run(const std::vector<std::string> &opening, const frame_handler &handler) {
        if (stopping_)
            return {};
        connection_end made;
        std::exception_ptr thrown;
        asio::co_spawn(context_, converse(opening, handler),
                       [&](std::exception_ptr exception, connection_end end) {
                           thrown = exception;
                           made = std::move(end);
                           context_.stop();
                       });
        turn();
        if (thrown)
            std::rethrow_exception(thrown);
        return stopping_ ? connection_end{} : made;
    }

    pause_end pause(std::chrono::milliseconds length) {
        if (!stopping_) {
            asio::steady_timer timer(context_, length);
            timer.async_wait([this](error_code) { context_.stop(); });
            const interruptible scope(*this);
            interrupt_ = [&] { timer.cancel(); };
            turn();
        }
        return stopping_ ? pause_end::stopped : pause_end::over;
    }

  private:
    void turn() {
        context_.restart();
        context_.run();
    }

    /// Interrupting reaches for what lives in a coroutine's frame: it must not outlast that.
    class interruptible {
      public:
        explicit interruptible(impl &of)
            : of_(of) {}
        ~interruptible() { of_.interrupt_ = nullptr; }
        interruptible(const interruptible &) = delete;
        interruptible &operator=(const interruptible &) = delete;

      private:
        impl &of_;
    };

    void stop() {
        stopping_ = true;
        error_code ignored;
        signals_.clear(ignored); // the next one ends the process: a name may take long to resolve
        if (interrupt_)
            interrupt_();
    }

    /// Resolves and connects, and makes TLS ready. Nothing when that worked.
    asio::awaitable<std::optional<connection_end>> connect(client_stream &stream) {
        asio::ip::tcp::resolver resolver(context_);
        interrupt_ = [&] { resolver.cancel(); };
        const auto [unresolved, found] = co_await resolver.async_resolve(where_.host, where_.port, result_of);
        interrupt_ = [&] { stream.close(); };
        if (unresolved)
            co_return connection_end{ending::unreachable,
                                     "the host cannot be found: " + unresolved.message()};
        if (stopping_)
            co_return connection_end{};
        const auto late = std::make_shared<bool>(false);
        asio::steady_timer deadline(context_, opening_time);
        deadline.async_wait([late, &stream](error_code cancelled) {
            if (cancelled)
                return;
            *late = true;
            stream.close();
        });
        auto failed = co_await open(stream, found);
        deadline.cancel();
        if (failed && *late)
            co_return connection_end{ending::unreachable, "no connection: no answer in time"};
        co_return failed;
    }

    asio::awaitable<std::optional<connection_end>> open(client_stream &stream,
                                                        const asio::ip::tcp::resolver::results_type &found) {
        const auto [unconnected, endpoint] = co_await asio::async_connect(stream.socket(), found, result_of);
        if (unconnected)
            co_return connection_end{ending::unreachable, unconnected == asio::error::connection_refused
                                                              ? "connection refused; does the server run?"
                                                              : "no connection: " + describe(unconnected)};
        auto *handle = stream.tls();
        if (handle == nullptr)
            co_return std::nullopt;
        // The name goes into the handshake, for servers with many of them, unless it is an address; either is
        // checked.
        if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(handle), where_.host.c_str()) != 1) {
            SSL_set_tlsext_host_name(handle, where_.host.c_str());
            SSL_set1_host(handle, where_.host.c_str());
        }
        const auto [error] = co_await stream.async_handshake(result_of);
        if (!error)
            co_return std::nullopt;
        const bool checked = SSL_get_verify_mode(handle) != SSL_VERIFY_NONE;
        co_return tls_failure(error, checked ? SSL_get_verify_result(handle) : X509_V_OK);
    }

    /// One connection, from its begin to its end.
    asio::awaitable<connection_end> converse(const std::vector<std::string> &opening,
                                             const frame_handler &handler) {
        websocket::stream<client_stream, false> stream(context_, tls_ ? &*tls_ : nullptr);
        const interruptible scope(*this);
        if (auto failed = co_await connect(stream.next_layer()))
            co_return std::move(*failed);
        stream.set_option(websocket::stream_base::timeout{opening_time, idle_time, true});
        stream.set_option(websocket::stream_base::decorator([](websocket::request_type &request) {
            request.set(http::field::user_agent, "walcast-watch/" WALCAST_VERSION);
        }));
        stream.read_message_max(max_message);
        stream.auto_fragment(false);

        websocket::response_type answer;
        const auto [refused] =
            co_await stream.async_handshake(answer, host_header(), where_.target, result_of);
        if (refused)
            co_return upgrade_failure(refused, answer, where_.over);
        // The read that is under way ends with the goodbye. Beast allows a close beside a read.
        interrupt_ = [&] {
            stream.set_option(
                websocket::stream_base::timeout{closing_time, websocket::stream_base::none(), false});
            stream.async_close(websocket::close_code::normal, [](error_code) {});
        };
        for (const auto &message : opening)
            if (const auto [unsent, length] = co_await stream.async_write(asio::buffer(message), result_of);
                unsent)
                co_return connection_end{ending::lost, describe(unsent)};
        bool leaving = false;
        for (beast::flat_buffer buffer; !stopping_ && !leaving; buffer.clear()) {
            if (const auto [unread, length] = co_await stream.async_read(buffer, result_of); unread)
                co_return read_failure(unread, stream.reason());
            const auto bytes = buffer.cdata();
            const auto verdict = handler({static_cast<const char *>(bytes.data()), bytes.size()});
            leaving = verdict == frame_verdict::leave;
            if (verdict == frame_verdict::stop)
                stop();
            else if (leaving)
                std::exchange(interrupt_, nullptr)();
            if (buffer.capacity() > keep_buffer) {
                buffer.clear();
                buffer.shrink_to_fit();
            }
        }
        // A read takes what still comes, and ends with the goodbye that has begun.
        for (beast::flat_buffer rest;; rest.clear())
            if (const auto [unread, length] = co_await stream.async_read(rest, result_of); unread)
                co_return connection_end{leaving ? ending::left : ending::stopped, {}};
    }

    [[nodiscard]] std::string host_header() const {
        const bool address6 = where_.host.find(':') != std::string::npos;
        const auto host = address6 ? '[' + where_.host + ']' : where_.host;
        const auto standard = where_.over == transport::tls ? "443" : "80";
        return where_.port == standard ? host : host + ':' + where_.port;
    }

    watch_url where_;
    asio::io_context context_{1};
    std::optional<ssl::context> tls_;
    asio::signal_set signals_{context_, SIGINT, SIGTERM};
    bool stopping_ = false;
    std::function<void()> interrupt_; ///< ends what is under way
};

watch_client::watch_client(watch_url where, certificate_check check)
    : impl_(std::make_unique<impl>(std::move(where), check)) {}

watch_client::~watch_client() = default;

connection_end watch_client::run(const std::vector<std::string> &opening, const frame_handler &handler) {
    return impl_->run(opening, handler);
}

watch_client::pause_end watch_client::pause(std::chrono::milliseconds length) {
    return impl_->pause(length);
}

} // namespace walcast
