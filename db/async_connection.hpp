#pragma once

#include "db/replication_fsm.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <deque>
#include <libpq-fe.h>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace walcast {

/// A connection that cannot go on. `what()` is one line.
class connection_error : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// A libpq connection driven by Asio readiness: what libpqxx cannot do, being without a replication protocol.
///
/// Owned by one coroutine at a time, on one io_context. The descriptor belongs to libpq; Asio only watches
/// it. Every wait ends early, with an error, when interrupt() is called.
class async_connection {
  public:
    using executor = boost::asio::io_context::executor_type;
    template <class T>
    using awaitable = boost::asio::awaitable<T, executor>;

    explicit async_connection(executor on);
    ~async_connection();
    async_connection(const async_connection &) = delete;
    async_connection &operator=(const async_connection &) = delete;

    /// Throws connection_error, also when it takes longer than `limit`.
    [[nodiscard]] awaitable<void> connect(std::string parameters, std::chrono::milliseconds limit);
    /// Sends a query and waits for its (first) result; an SQL error is a result.
    [[nodiscard]] awaitable<query_result> query(std::string text);

    // In CopyBoth mode:
    enum class copy_state : std::uint8_t { message, nothing_yet, ended };
    /// Takes in what the socket has. Throws connection_error.
    void consume_input();
    /// The next message, valid until the next call.
    [[nodiscard]] copy_state next(std::string_view &message);
    /// A warning of the server that came before the last message and was not taken yet.
    [[nodiscard]] std::optional<query_result> take_warning();
    /// Why a copy ended: an error.
    [[nodiscard]] query_result end_reason();
    /// Sends a message; throws connection_error.
    [[nodiscard]] awaitable<void> send(std::string_view message);
    /// Until the socket is readable, or interrupted. Without a time limit, as a timer for each wait costs
    /// more than the wait: who wants one interrupts from a ticker.
    [[nodiscard]] awaitable<void> wait_readable();
    /// Ends a wait_readable that is under way; a later one is not affected.
    void interrupt();
    /// Every wait that is under way or begins later throws connection_error: for connects and queries, which
    /// may take for ever (a slot is not made before all older transactions have ended).
    void abandon();

    [[nodiscard]] int server_version() const { return PQserverVersion(connection_.get()); }

  private:
    struct finish {
        void operator()(PGconn *of) const { PQfinish(of); }
    };
    using descriptor = boost::asio::posix::basic_stream_descriptor<executor>;

    void watch();
    static void take_notice(void *self, const PGresult *notice);
    [[nodiscard]] std::string last_error() const;
    [[nodiscard]] awaitable<void> wait(descriptor::wait_type what, std::chrono::milliseconds limit);
    [[nodiscard]] awaitable<void> flush();

    std::unique_ptr<PGconn, finish> connection_;
    descriptor descriptor_; ///< watches PQsocket(connection_); released, never closed
    boost::asio::basic_waitable_timer<std::chrono::steady_clock,
                                      boost::asio::wait_traits<std::chrono::steady_clock>, executor>
        timer_;
    char *buffer_ = nullptr;            ///< the message last returned
    std::deque<query_result> warnings_; ///< bounded: the newest are dropped
    bool abandoned_ = false;
};

} // namespace walcast
