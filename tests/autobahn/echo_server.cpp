// A WebSocket echo server of the relay's own network classes, for the Autobahn test suite: what comes as a
// text or binary message goes back as the same. Prints its port when it listens.
//
//     autobahn_echo [PORT]     0 or none: a free one

#include "server/net/http.hpp"
#include "server/net/outbox_stream.hpp"
#include "server/net/socket_options.hpp"
#include "server/net/websocket.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <cstdlib>
#include <fmt/format.h>
#include <unordered_map>

using namespace walcast;
namespace asio = boost::asio;
namespace http = boost::beast::http;

namespace {

/// The suite's performance cases have messages of 16 MiB.
constexpr std::size_t most_message_bytes = std::size_t{20} << 20;
constexpr std::size_t outbox_bytes = std::size_t{256} << 10;
constexpr std::chrono::seconds patience{60};

class echo_session : public protocol_session {
  public:
    explicit echo_session(websocket_connection &to)
        : to_(to) {}

    void start() override {}
    void receive(std::string_view message) override {
        to_.send({}, make_frame(std::string(message)));
        to_.flush();
    }
    void receive_binary(std::string_view message) override {
        to_.send_binary(make_frame(std::string(message)));
        to_.flush();
    }
    [[nodiscard]] bool wants_input() const override { return to_.queued_bytes() < outbox_bytes; }
    void writable() override {}

  private:
    websocket_connection &to_;
};

/// The connections that are open, as a shard has them.
class echo_server {
  public:
    explicit echo_server(std::uint16_t port)
        : acceptor_(io_, {asio::ip::address_v4::loopback(), port})
        , ticker_(io_) {}

    void run() {
        fmt::print("{}\n", acceptor_.local_endpoint().port());
        std::fflush(stdout);
        accept();
        tick();
        io_.run();
    }

  private:
    struct connection {
        std::shared_ptr<outbox> box;
        std::shared_ptr<websocket_connection> websocket;
    };

    void accept() {
        acceptor_.async_accept([this](boost::system::error_code error, tcp_socket socket) {
            if (!error) {
                prepare_socket(socket, {patience, patience});
                auto box = std::make_shared<outbox>(std::move(socket), nullptr);
                connections_[box.get()].box = box;
                asio::co_spawn(io_.get_executor(), upgrade(box), asio::detached);
            }
            accept();
        });
    }

    asio::awaitable<void, executor> upgrade(std::shared_ptr<outbox> box) {
        constexpr asio::use_awaitable_t<executor> use_awaitable{};
        boost::system::error_code error;
        outbox_stream stream(box);
        boost::beast::flat_buffer buffer;
        http_request request;
        box->deadline(outbox::clock::now() + patience);
        co_await http::async_read(stream, buffer, request, asio::redirect_error(use_awaitable, error));
        if (error) {
            connections_.erase(box.get());
            co_return;
        }
        const auto rest = buffer.cdata();
        box->unread({static_cast<const char *>(rest.data()), rest.size()});
        auto websocket = std::make_shared<websocket_connection>(box, most_message_bytes, outbox_bytes);
        connections_[box.get()].websocket = websocket;
        websocket->accept(
            request, [to = websocket.get()](output &) { return std::make_shared<echo_session>(*to); },
            [this, box] { connections_.erase(box.get()); });
    }

    void tick() {
        std::vector<std::shared_ptr<websocket_connection>> dead;
        for (auto &[address, one] : connections_) {
            one.box->check(outbox::clock::now(), patience);
            if (one.box->broken() && one.websocket)
                dead.push_back(one.websocket);
        }
        for (auto &one : dead)
            one->broken();
        ticker_.expires_after(std::chrono::seconds(1));
        ticker_.async_wait([this](boost::system::error_code) { tick(); });
    }

    asio::io_context io_{1};
    asio::basic_socket_acceptor<asio::ip::tcp, executor> acceptor_;
    asio::steady_timer ticker_;
    std::unordered_map<const outbox *, connection> connections_;
};

} // namespace

int main(int count, char **words) {
    echo_server(count > 1 ? static_cast<std::uint16_t>(std::atoi(words[1])) : 0).run();
}
