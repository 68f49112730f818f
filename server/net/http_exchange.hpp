#pragma once

#include "server/net/http_api.hpp"
#include "server/net/session_carrier.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <chrono>
#include <deque>
#include <optional>
#include <string>

namespace walcast {

/// One request over HTTP whose answer a session makes: what the client would say on a WebSocket is said for
/// it, and what it would be told becomes the answer.
///
/// Driven by http_connection's coroutine, which starts it, waits, and answers what it says. A session calls
/// from amid its own work and that of its hub, so nothing here calls it back in the same turn.
class http_exchange : public session_carrier {
  public:
    using clock = std::chrono::steady_clock;

    http_exchange(std::shared_ptr<outbox> box, std::size_t outbox_bound);

    void start(const make_session &make);
    /// Returns when it is over, or at that time.
    boost::asio::awaitable<void, executor> until(clock::time_point deadline);
    [[nodiscard]] bool over() const { return over_; }
    /// What there is to say, if it has not been said yet; from then on there is no session.
    [[nodiscard]] std::optional<api_answer> finish();

    void abandon() override;
    void broken() override { end(); }
    void resume_input() override;

  protected:
    /// Says something for the client, when the session listens.
    void say(std::string message);
    /// Calls on_turn() from a turn of its own, once.
    void wake();
    virtual void on_turn() {}
    /// It is over, with this answer.
    void answer(api_answer with);
    void end();

  private:
    boost::asio::basic_waitable_timer<clock, boost::asio::wait_traits<clock>, executor> timer_;
    std::deque<std::string> to_say_;
    std::optional<api_answer> answer_;
    bool awake_ = false; ///< a turn is to come
    bool over_ = false;
};

/// Why a session that closes its connection does: 429 or 503.
[[nodiscard]] api_answer api_failure(close_code code, std::string_view reason);

} // namespace walcast
