#include "server/net/http_exchange.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

namespace walcast {

namespace asio = boost::asio;
namespace http = boost::beast::http;

http_exchange::http_exchange(std::shared_ptr<outbox> box, std::size_t outbox_bound)
    : session_carrier(box, outbox_bound)
    , timer_(box->get_executor()) {}

void http_exchange::start(const make_session &make) {
    session_ = make(*this);
    session_->start();
    resume_input();
}

asio::awaitable<void, executor> http_exchange::until(clock::time_point deadline) {
    if (over_)
        co_return;
    boost::system::error_code ignored;
    timer_.expires_at(deadline);
    co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable_t<executor>(), ignored));
}

std::optional<api_answer> http_exchange::finish() {
    closing_ = over_ = true;
    session_.reset();
    return std::exchange(answer_, std::nullopt);
}

void http_exchange::abandon() {
    end();
    session_carrier::abandon();
}

void http_exchange::say(std::string message) {
    to_say_.push_back(std::move(message));
    resume_input();
}

void http_exchange::resume_input() {
    if (!to_say_.empty())
        wake();
}

void http_exchange::wake() {
    if (std::exchange(awake_, true))
        return;
    asio::post(box_->get_executor(), [weak = weak_from_this()] {
        const auto self = std::static_pointer_cast<http_exchange>(weak.lock());
        if (!self)
            return;
        self->awake_ = false;
        if (!self->over_)
            self->on_turn();
        while (!self->over_ && self->session_ && !self->to_say_.empty() && self->session_->wants_input()) {
            const auto message = std::move(self->to_say_.front());
            self->to_say_.pop_front();
            self->session_->receive(message);
        }
        if (!self->over_ && !self->to_say_.empty() && self->is_full())
            self->request_writable();
    });
}

void http_exchange::answer(api_answer with) {
    if (!over_)
        answer_ = std::move(with);
    end();
}

void http_exchange::end() {
    closing_ = over_ = true;
    timer_.cancel();
}

api_answer api_failure(close_code code, std::string_view reason) {
    return api_failure(code == close_code::policy_violation ? http::status::too_many_requests
                                                            : http::status::service_unavailable,
                       v1_error::unavailable, reason);
}

} // namespace walcast
