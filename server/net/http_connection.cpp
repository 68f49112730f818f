#include "server/net/http_connection.hpp"

#include "server/net/http.hpp"
#include "server/net/outbox_stream.hpp"
#include "server/net/shard.hpp"
#include "server/net/websocket.hpp"
#include "server/session/v0_session.hpp"
#include "server/session/v1_session.hpp"

#include <array>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>
#include <string>
#include <utility>

namespace walcast {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;

namespace {

constexpr asio::use_awaitable_t<executor> use_awaitable{};
constexpr std::size_t most_header_bytes = std::size_t{16} << 10;
constexpr std::size_t most_body_bytes = std::size_t{64} << 10;
constexpr std::chrono::seconds idle_timeout{60};
/// How long a TLS handshake may take whose end is a refusal.
constexpr std::chrono::seconds farewell_timeout{3};

std::string health_body(const std::string &problem) {
    rapidjson::StringBuffer buffer;
    rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
    writer.StartObject();
    writer.Key("health");
    writer.String(problem.empty() ? "OK" : "ERROR");
    if (!problem.empty()) {
        writer.Key("error");
        writer.String(problem.data(), static_cast<rapidjson::SizeType>(problem.size()));
    }
    writer.EndObject();
    return std::string(buffer.GetString(), buffer.GetSize()) + "\n";
}

using timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                         asio::wait_traits<std::chrono::steady_clock>, executor>;

/// What is wrong with the database, or an empty text; within a second.
asio::awaitable<std::string, executor> database_problem(site &pages, executor here) {
    struct waiting {
        explicit waiting(executor on)
            : limit(on, std::chrono::seconds(1)) {}
        timer limit;
        std::string problem = "the database did not answer within a second";
    };
    // Shared with the answer, which may come after we have given up.
    const auto shared = std::make_shared<waiting>(here);
    pages.check_database([here](std::function<void()> work) { asio::post(here, std::move(work)); },
                         [shared](std::string problem) {
                             shared->problem = std::move(problem);
                             shared->limit.cancel();
                         });
    error_code ignored;
    co_await shared->limit.async_wait(asio::redirect_error(use_awaitable, ignored));
    co_return shared->problem;
}

/// Lets the answer reach a client that is still sending: closed with unread bytes, a socket sends a reset,
/// and the reset overtakes the answer. So: end our side, and read theirs to its end, for a while.
asio::awaitable<void, executor> linger(outbox &box) {
    constexpr std::size_t most_bytes = std::size_t{4} << 20;
    error_code error;
    box.deadline(outbox::clock::now() + std::chrono::seconds(2));
    const auto drained = std::make_shared<timer>(box.get_executor(), std::chrono::seconds(2));
    box.when_drained([drained] { drained->cancel(); });
    co_await drained->async_wait(asio::redirect_error(use_awaitable, error));
    if (box.broken())
        co_return;
    box.socket().shutdown(tcp_socket::shutdown_send, error);
    std::array<char, 4096> ignored;
    for (std::size_t got = 0; !error && got < most_bytes;)
        got += co_await box.socket().async_read_some(asio::buffer(ignored),
                                                     asio::redirect_error(use_awaitable, error));
}

std::string client_of(outbox &box) {
    error_code error;
    const auto peer = box.socket().remote_endpoint(error);
    return error ? "gone" : peer.address().to_string();
}

/// What to say to a request that cannot be parsed.
http_response answer_to_nonsense(error_code why) {
    http_request none;
    none.keep_alive(false);
    auto status = http::status::bad_request;
    if (why == http::error::header_limit)
        status = http::status::request_header_fields_too_large;
    else if (why == http::error::body_limit)
        status = http::status::payload_too_large;
    auto made = make_response(none, status, "text/plain; charset=utf-8",
                              std::string(http::obsolete_reason(status)) + "\n");
    made.keep_alive(false);
    return made;
}

} // namespace

std::string_view farewell_of(refusal why) {
    return why == refusal::address
               ? "HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\nRetry-After: 5\r\n"
                 "Connection: close\r\n\r\n"
               : "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 5\r\n"
                 "Connection: close\r\n\r\n";
}

asio::awaitable<void, executor> http_connection::refuse(std::shared_ptr<outbox> box, shard &home,
                                                        refusal why) {
    error_code error;
    if (box->tls()) {
        box->deadline(outbox::clock::now() + farewell_timeout);
        co_await box->tls()->async_handshake(asio::ssl::stream_base::server,
                                             asio::redirect_error(use_awaitable, error));
    }
    if (!error) {
        box->push({}, make_frame(std::string(farewell_of(why))));
        box->flush();
        co_await linger(*box);
    }
    home.forget(*box);
}

asio::awaitable<void, executor> http_connection::serve(std::shared_ptr<outbox> box, shard &home) {
    const auto in = [](std::chrono::milliseconds delay) { return outbox::clock::now() + delay; };
    error_code error;
    box->deadline(in(home.request_timeout()));
    if (box->tls()) {
        co_await box->tls()->async_handshake(asio::ssl::stream_base::server,
                                             asio::redirect_error(use_awaitable, error));
        if (error) {
            home.forget(*box);
            co_return;
        }
    }
    outbox_stream stream(box);
    // Beyond headers and body there is nothing that a request could fill memory with.
    boost::beast::flat_buffer buffer(most_header_bytes + most_body_bytes);
    for (bool goes_on = true; goes_on;) {
        http::request_parser<http::string_body> parser;
        parser.header_limit(most_header_bytes);
        parser.body_limit(most_body_bytes);
        co_await http::async_read(stream, buffer, parser, asio::redirect_error(use_awaitable, error));
        home.connections_[box.get()].idle = false;
        http_response response;
        bool over = false;
        if (error) {
            if (error.category() != http::make_error_code(http::error::end_of_stream).category() ||
                error == http::error::end_of_stream || error == http::error::partial_message)
                break; // the peer went away
            response = answer_to_nonsense(error);
        } else {
            const auto request = parser.release();
            auto decided = route_request(request, home.site_.management_token());
            if ((decided.route == http_route::v0 || decided.route == http_route::v1) &&
                home.site_.standby()) {
                decided.route = http_route::answered;
                decided.answer =
                    make_response(request, http::status::service_unavailable, "text/plain; charset=utf-8",
                                  "standby: another relay serves this database\n");
                decided.answer->set(http::field::retry_after, "1");
            }
            if (decided.route == http_route::v0 || decided.route == http_route::v1) {
                const auto rest = buffer.cdata();
                box->unread({static_cast<const char *>(rest.data()), rest.size()});
                auto upgraded = std::make_shared<websocket_connection>(box, home.limits_.max_message_bytes,
                                                                       home.limits_.outbox_bytes);
                home.connections_[box.get()].carrier = upgraded;
                home.probe_.upgraded();
                home.log_.debug("websocket opened",
                                {{"client", client_of(*box)}, {"websockets", home.connections_.size()}});
                auto ended = [&home, box] {
                    home.probe_.websocket_closed();
                    home.forget(*box);
                };
                auto make_v0 = [&home, token = token_of(request)](output &out) {
                    return std::make_shared<v0_session>(home.hub_, out, token);
                };
                auto make_v1 = [&home, token = token_of(request)](output &out) {
                    return std::make_shared<v1_session>(home.topics_, out, token);
                };
                if (home.draining_)
                    upgraded->refuse(request, close_code::service_restart, goodbye, std::move(ended));
                else if (decided.route == http_route::v0)
                    upgraded->accept(request, std::move(make_v0), std::move(ended));
                else
                    upgraded->accept(request, std::move(make_v1), std::move(ended));
                co_return;
            }
            home.probe_.request();
            switch (decided.route) {
            case http_route::health: {
                auto problem = co_await database_problem(home.site_, box->get_executor());
                response = make_response(request, http::status::ok, "application/json", health_body(problem));
                break;
            }
            case http_route::stream: {
                auto made = co_await stream_events(box, home, request, buffer);
                over = !made;
                if (made)
                    response = std::move(*made);
                break;
            }
            case http_route::latest: {
                auto made = co_await poll_record(box, home, request, buffer);
                over = !made;
                if (made)
                    response = std::move(*made);
                break;
            }
            case http_route::metrics:
                response = make_response(request, http::status::ok, "text/plain; version=0.0.4",
                                         home.site_.metrics());
                break;
            case http_route::metrics_json:
                response =
                    make_response(request, http::status::ok, "application/json", home.site_.metrics_json());
                break;
            case http_route::status:
                response = make_response(request, http::status::ok, "application/json", home.site_.status());
                break;
            default:
                response = std::move(*decided.answer);
            }
        }
        if (over)
            break;
        if (home.draining_)
            response.keep_alive(false);
        goes_on = response.keep_alive() && !error;
        box->deadline(in(idle_timeout));
        co_await http::async_write(stream, response, asio::redirect_error(use_awaitable, error));
        if (error)
            break;
        home.connections_[box.get()].idle = true;
    }
    co_await linger(*box);
    home.forget(*box);
}

} // namespace walcast
