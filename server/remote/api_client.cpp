#include "server/remote/api_client.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/error.hpp>
#include <pthread.h>
#include <utility>

namespace walcast {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::use_awaitable;

api_client::api_client(api_settings settings, logger &log, token_probe &probe)
    : settings_(std::move(settings))
    , log_(log)
    , probe_(probe) {
    tls_.set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_tlsv1 |
                     asio::ssl::context::no_tlsv1_1 | asio::ssl::context::no_sslv3);
    tls_.set_default_verify_paths();
    tls_.set_verify_mode(settings_.insecure ? asio::ssl::verify_none : asio::ssl::verify_peer);
    arrival_.expires_at(asio::steady_timer::time_point::max());
    for (unsigned count = 0; count < settings_.connections; ++count)
        asio::co_spawn(io_, lane(), asio::detached);
    thread_ = std::thread([this] {
        ::pthread_setname_np(::pthread_self(), "walcast-remote");
        const auto guard = asio::make_work_guard(io_);
        io_.run();
    });
}

api_client::~api_client() {
    stop();
}

void api_client::stop() {
    io_.stop();
    if (thread_.joinable())
        thread_.join();
}

void api_client::get(std::string path, std::string token, done then) {
    asio::post(io_, [this, what = job{std::move(path), std::move(token), std::move(then)}]() mutable {
        if (jobs_.size() >= settings_.queue) {
            probe_.requested("busy");
            return what.then({});
        }
        jobs_.push_back(std::move(what));
        arrival_.cancel_one();
    });
}

asio::awaitable<void> api_client::lane() {
    api_connection over(io_.get_executor(), tls_, settings_.limits);
    for (;;) {
        while (jobs_.empty()) {
            boost::system::error_code cancelled;
            co_await arrival_.async_wait(asio::redirect_error(use_awaitable, cancelled));
        }
        const auto next = std::move(jobs_.front());
        jobs_.pop_front();
        auto answer = co_await run(over, next);
        next.then(std::move(answer));
    }
}

asio::awaitable<api_answer> api_client::run(api_connection &over, const job &what) {
    const auto number = endpoint_;
    const auto &where = settings_.endpoints[number];
    api_connection::request request(http::verb::get, what.path, 11);
    request.set(http::field::authorization, "Bearer " + what.token);
    request.set(http::field::accept, "application/json");
    request.set(http::field::user_agent, "walcast/" WALCAST_VERSION);
    try {
        const auto response = co_await over.ask(where, std::move(request));
        reached(where);
        const auto status = response.result_int();
        probe_.requested(status == 200 ? "answered" : status == 401 || status == 403 ? "refused" : "error");
        co_return api_answer{status, response.body()};
    } catch (const boost::system::system_error &error) {
        probe_.requested(error.code() == beast::error::timeout ? "timeout" : "failed");
        failed(where, error.code().message());
        if (endpoint_ == number) // no other lane has left it meanwhile
            endpoint_ = (number + 1) % settings_.endpoints.size();
        co_return api_answer{};
    }
}

void api_client::failed(const api_endpoint &where, const std::string &problem) {
    if (std::exchange(reachable_, false))
        log_.warning("the Arvados API cannot be asked", {{"host", where.authority()}, {"problem", problem}});
}

void api_client::reached(const api_endpoint &where) {
    if (!std::exchange(reachable_, true))
        log_.info("the Arvados API answers again", {{"host", where.authority()}});
}

} // namespace walcast
