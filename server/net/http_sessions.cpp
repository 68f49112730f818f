// The part of http_connection for requests whose answer a session makes, and may make for a long time.

#include "server/net/event_stream.hpp"
#include "server/net/http_api.hpp"
#include "server/net/http_connection.hpp"
#include "server/net/outbox_stream.hpp"
#include "server/net/record_poll.hpp"
#include "server/net/shard.hpp"
#include "server/session/v1_session.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

namespace walcast {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;
using namespace boost::asio::experimental::awaitable_operators;

namespace {

constexpr asio::use_awaitable_t<executor> use_awaitable{};
/// What is not known by then gets an answer without it: the head of a stream, or 503 for a record.
constexpr std::chrono::seconds answer_time{5};
constexpr std::size_t read_size = 4096;

/// Reads what the client sends while it waits for its answer, until it is gone, and says so in `gone`. What
/// it sends is kept for the request to come, as far as there is room; without a buffer it is dropped.
struct listening {
    outbox_stream stream;
    boost::beast::flat_buffer *keep = nullptr;
    bool gone = false;

    asio::awaitable<void, executor> until_gone() {
        error_code error;
        std::array<char, read_size> nobodys;
        while (!error) {
            asio::mutable_buffer into = asio::buffer(nobodys);
            if (keep != nullptr) {
                const auto room = std::min(read_size, keep->max_size() - keep->size());
                if (room == 0)
                    co_return co_await until_cancelled();
                into = keep->prepare(room);
            }
            const auto got =
                co_await stream.async_read_some(into, asio::redirect_error(use_awaitable, error));
            if (keep != nullptr)
                keep->commit(got);
        }
        gone = error != asio::error::operation_aborted || stream.box().broken();
    }

  private:
    asio::awaitable<void, executor> until_cancelled() {
        asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>,
                                   executor>
            never(stream.get_executor(), std::chrono::steady_clock::time_point::max());
        error_code ignored;
        co_await never.async_wait(asio::redirect_error(use_awaitable, ignored));
    }
};

/// Why nothing may begin now; nothing if it may.
std::optional<http_response> not_now(const http_request &request, bool standby, bool draining) {
    if (standby)
        return make_api_response(
            request, api_failure(v1_error::unavailable, "standby: another relay serves this database"));
    if (draining)
        return make_api_response(request, api_failure(v1_error::unavailable, goodbye));
    return std::nullopt;
}

std::string_view text(boost::beast::string_view from) {
    return {from.data(), from.size()};
}

} // namespace

http_connection::made_answer http_connection::stream_events(std::shared_ptr<outbox> box, shard &home,
                                                            const http_request &request,
                                                            boost::beast::flat_buffer &buffer) {
    if (auto refused = not_now(request, home.site_.standby(), home.draining_))
        co_return refused;
    auto query = parse_stream_query(text(request.target()));
    if (const auto *problem = std::get_if<v1_query_problem>(&query))
        co_return make_api_response(request, api_failure(problem->code, problem->why));
    const auto framing = request.method() == http::verb::head ? event_stream::framing::head_only
                         : request.version() < 11             ? event_stream::framing::unframed
                                                              : event_stream::framing::chunked;
    const auto stream = std::make_shared<event_stream>(box, home.limits_.outbox_bytes, home.topics_.seal(),
                                                       std::get<v1_stream_query>(std::move(query)), framing);
    home.connections_[box.get()].carrier = stream;
    home.probe_.stream_opened();
    box->no_deadline();
    listening client{outbox_stream(box), &buffer};
    stream->open([&home, token = token_of(request)](
                     output &out) { return std::make_shared<v1_session>(home.topics_, out, token); },
                 text(request["Last-Event-ID"]));
    co_await (client.until_gone() || stream->until(http_exchange::clock::now() + answer_time));
    if (!stream->over() && !client.gone) {
        stream->begin();
        stream->flush();
        client.keep = nullptr; // the answer has no end that another one could follow
        buffer.clear();
        buffer.shrink_to_fit();
        co_await (client.until_gone() || stream->until(http_exchange::clock::time_point::max()));
    }
    auto refused = stream->finish();
    home.connections_[box.get()].carrier = nullptr;
    home.probe_.stream_closed();
    if (client.gone)
        box->abort();
    if (client.gone || !refused)
        co_return std::nullopt;
    co_return make_api_response(request, *std::move(refused));
}

http_connection::made_answer http_connection::poll_record(std::shared_ptr<outbox> box, shard &home,
                                                          const http_request &request,
                                                          boost::beast::flat_buffer &buffer) {
    if (auto refused = not_now(request, home.site_.standby(), home.draining_))
        co_return refused;
    auto query = parse_latest_query(text(request.target()));
    if (const auto *problem = std::get_if<v1_query_problem>(&query))
        co_return make_api_response(request, api_failure(problem->code, problem->why));
    auto asked = std::get<v1_latest_query>(std::move(query));
    const auto wait =
        std::min<std::chrono::milliseconds>(std::chrono::seconds(asked.wait_s), home.limits_.poll_timeout);
    const auto begun = http_exchange::clock::now();
    const auto poll = std::make_shared<record_poll>(box, home.limits_.outbox_bytes, std::move(asked),
                                                    std::string(text(request[http::field::if_none_match])));
    home.connections_[box.get()].carrier = poll;
    home.probe_.poll_opened();
    box->no_deadline();
    listening client{outbox_stream(box), &buffer};
    poll->open([&home, token = token_of(request)](
                   output &out) { return std::make_shared<v1_session>(home.topics_, out, token); },
               begun + wait);
    co_await (client.until_gone() || poll->until(begun + wait));
    if (!client.gone)
        poll->conclude();
    if (!client.gone && !poll->over())
        co_await (client.until_gone() ||
                  poll->until(begun + std::max<std::chrono::milliseconds>(wait, answer_time)));
    auto answer = poll->finish();
    home.connections_[box.get()].carrier = nullptr;
    if (client.gone) {
        home.probe_.poll_closed(0);
        box->abort();
        co_return std::nullopt;
    }
    if (!answer)
        answer = api_failure(v1_error::unavailable, "it is not known yet; try again later");
    home.probe_.poll_closed(static_cast<unsigned>(answer->status));
    co_return make_api_response(request, *std::move(answer));
}

} // namespace walcast
