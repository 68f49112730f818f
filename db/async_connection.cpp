#include "db/async_connection.hpp"

#include "db/connection.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/error_code.hpp>
#include <utility>

namespace walcast {

namespace asio = boost::asio;

namespace {

constexpr asio::use_awaitable_t<async_connection::executor> use_awaitable{};

constexpr std::size_t most_warnings = 100;

struct clear_result {
    void operator()(PGresult *of) const { PQclear(of); }
};
using result_ptr = std::unique_ptr<PGresult, clear_result>;

query_result copy_error(const PGresult *from) {
    const auto *state = PQresultErrorField(from, PG_DIAG_SQLSTATE);
    const auto *message = PQresultErrorField(from, PG_DIAG_MESSAGE_PRIMARY);
    const auto *function = PQresultErrorField(from, PG_DIAG_SOURCE_FUNCTION);
    return {.what = query_result::kind::error,
            .sqlstate = state ? state : "",
            .message = one_line(message ? message : PQresultErrorMessage(from)),
            .function = function ? function : ""};
}

query_result copy_result(const PGresult *from) {
    query_result made;
    switch (PQresultStatus(from)) {
    case PGRES_TUPLES_OK:
    case PGRES_SINGLE_TUPLE:
        made.what = query_result::kind::rows;
        for (int row = 0; row < PQntuples(from); ++row) {
            auto &into = made.rows.emplace_back();
            for (int column = 0; column < PQnfields(from); ++column)
                into.push_back(PQgetisnull(from, row, column)
                                   ? std::nullopt
                                   : std::optional<std::string>(PQgetvalue(from, row, column)));
        }
        break;
    case PGRES_COMMAND_OK:
    case PGRES_EMPTY_QUERY:
        made.what = query_result::kind::command;
        break;
    case PGRES_COPY_BOTH:
        made.what = query_result::kind::copy_both;
        break;
    default:
        made = copy_error(from);
    }
    return made;
}

} // namespace

async_connection::async_connection(executor on)
    : descriptor_(on)
    , timer_(on) {}

async_connection::~async_connection() {
    if (buffer_)
        PQfreemem(buffer_);
    if (descriptor_.is_open())
        descriptor_.release();
}

void async_connection::watch() {
    const int socket = PQsocket(connection_.get());
    if (descriptor_.is_open() && descriptor_.native_handle() == socket)
        return;
    if (descriptor_.is_open())
        descriptor_.release();
    if (socket < 0)
        throw connection_error("the connection has no socket");
    descriptor_.assign(socket);
}

std::string async_connection::last_error() const {
    return one_line(PQerrorMessage(connection_.get()));
}

async_connection::awaitable<void> async_connection::wait(descriptor::wait_type what,
                                                         std::chrono::milliseconds limit) {
    timer_.expires_after(limit);
    timer_.async_wait([this](boost::system::error_code error) {
        if (!error)
            descriptor_.cancel();
    });
    boost::system::error_code error;
    co_await descriptor_.async_wait(what, asio::redirect_error(use_awaitable, error));
    timer_.cancel();
    if (abandoned_)
        throw connection_error("abandoned");
    if (error && error != asio::error::operation_aborted)
        throw connection_error("waiting for the socket: " + error.message());
}

void async_connection::take_notice(void *self, const PGresult *notice) {
    // Class 00 are mere notices, 01 and others warnings.
    auto &warnings = static_cast<async_connection *>(self)->warnings_;
    auto given = copy_error(notice);
    if (warnings.size() < most_warnings && !given.sqlstate.starts_with("00"))
        warnings.push_back(std::move(given));
}

std::optional<query_result> async_connection::take_warning() {
    if (warnings_.empty())
        return std::nullopt;
    auto first = std::move(warnings_.front());
    warnings_.pop_front();
    return first;
}

async_connection::awaitable<void> async_connection::connect(std::string parameters,
                                                            std::chrono::milliseconds limit) {
    connection_.reset(PQconnectStart(parameters.c_str()));
    if (!connection_)
        throw connection_error("out of memory");
    PQsetNoticeReceiver(connection_.get(), take_notice, this); // by itself libpq would write to stderr
    if (PQstatus(connection_.get()) == CONNECTION_BAD)
        throw connection_error(last_error());
    const auto deadline = std::chrono::steady_clock::now() + limit;
    auto next = PGRES_POLLING_WRITING; // as the manual says: behave as if it had returned this
    while (next != PGRES_POLLING_OK) {
        watch();
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            deadline - std::chrono::steady_clock::now());
        if (left.count() <= 0)
            throw connection_error("no answer to the connection request");
        co_await wait(next == PGRES_POLLING_READING ? descriptor::wait_read : descriptor::wait_write, left);
        next = PQconnectPoll(connection_.get());
        if (next == PGRES_POLLING_FAILED)
            throw connection_error(last_error());
    }
    watch();
    if (PQsetnonblocking(connection_.get(), 1) != 0)
        throw connection_error(last_error());
}

async_connection::awaitable<void> async_connection::flush() {
    for (;;) {
        const int left = PQflush(connection_.get());
        if (left == 0)
            co_return;
        if (left < 0)
            throw connection_error(last_error());
        // The manual: while output is stuck, input must be read, or both sides wait for the other.
        co_await wait(descriptor::wait_write, std::chrono::milliseconds(100));
        consume_input();
    }
}

async_connection::awaitable<query_result> async_connection::query(std::string text) {
    if (PQsendQuery(connection_.get(), text.c_str()) == 0)
        throw connection_error(last_error());
    co_await flush();
    std::optional<query_result> first;
    for (;;) {
        while (PQisBusy(connection_.get())) {
            co_await wait_readable();
            consume_input();
        }
        const result_ptr result(PQgetResult(connection_.get()));
        if (!result)
            break;
        if (!first)
            first = copy_result(result.get());
        if (first->what == query_result::kind::copy_both)
            break; // the result goes on for as long as the copy
    }
    if (!first)
        throw connection_error(last_error());
    if (PQstatus(connection_.get()) == CONNECTION_BAD)
        throw connection_error(first->message.empty() ? last_error() : first->message);
    co_return std::move(*first);
}

void async_connection::consume_input() {
    if (PQconsumeInput(connection_.get()) == 0)
        throw connection_error(last_error());
}

async_connection::copy_state async_connection::next(std::string_view &message) {
    if (buffer_)
        PQfreemem(std::exchange(buffer_, nullptr));
    const int size = PQgetCopyData(connection_.get(), &buffer_, 1);
    if (size > 0) {
        message = {buffer_, static_cast<std::size_t>(size)};
        return copy_state::message;
    }
    return size == 0 ? copy_state::nothing_yet : copy_state::ended;
}

query_result async_connection::end_reason() {
    const result_ptr result(PQgetResult(connection_.get()));
    if (result && PQresultStatus(result.get()) == PGRES_FATAL_ERROR)
        return copy_result(result.get());
    const auto error = last_error();
    return {.what = query_result::kind::error,
            .message = error.empty() ? "the server ended the stream" : error};
}

async_connection::awaitable<void> async_connection::send(std::string_view message) {
    if (PQputCopyData(connection_.get(), message.data(), static_cast<int>(message.size())) != 1)
        throw connection_error(last_error());
    co_await flush();
}

async_connection::awaitable<void> async_connection::wait_readable() {
    boost::system::error_code error;
    co_await descriptor_.async_wait(descriptor::wait_read, asio::redirect_error(use_awaitable, error));
    if (abandoned_)
        throw connection_error("abandoned");
    if (error && error != asio::error::operation_aborted)
        throw connection_error("waiting for the socket: " + error.message());
}

void async_connection::abandon() {
    abandoned_ = true;
    interrupt();
}

void async_connection::interrupt() {
    if (descriptor_.is_open())
        descriptor_.cancel();
}

} // namespace walcast
