#include "db/slot_source.hpp"

#include "db/decode_error.hpp"
#include "server/ops/clock.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <pthread.h>
#include <utility>

namespace walcast {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using remedy = replication_failure::remedy;

namespace {

constexpr asio::use_awaitable_t<async_connection::executor> use_awaitable{};
constexpr auto connect_limit = 15s;
/// The longest that the stream is left without a status update; wal_sender_timeout is a minute by default.
constexpr auto confirm_interval = 5s;
/// How often a position that somebody waits for is asked for: the log may not have been flushed that far.
constexpr auto target_interval = 20ms;
/// A batch is handed over when a drain has brought this much, even if there is more.
constexpr std::size_t batch_bytes = std::size_t{512} << 10;

constexpr std::size_t more_to_come_bytes = std::size_t{8} << 10;

/// Dead peers are noticed by the kernel too, also while we only send.
constexpr const char *socket_parameters =
    " replication=database application_name=walcast keepalives=1 keepalives_idle=10 keepalives_interval=5"
    " keepalives_count=3 tcp_user_timeout=30000 options='-c datestyle=ISO -c client_encoding=UTF8'";

} // namespace

slot_source::slot_source(slot_options options, batch_sink sink, std::function<bool()> overloaded, logger &log)
    : options_(std::move(options))
    , sink_(std::move(sink))
    , overloaded_(std::move(overloaded))
    , log_(log)
    , assembler_({.spill_directory = options_.spill_directory},
                 [this](transaction_ptr next) {
                     if (next->last())
                         retention_.committed(next->end(), next->committed_at());
                     pending_.bytes += next->footprint();
                     pending_.transactions.push_back(std::move(next));
                 })
    , retention_(options_.keep) {
    status_.kind = "slot";
    status_.state = "connecting";
}

slot_source::~slot_source() {
    stop();
}

void slot_source::start() {
    asio::co_spawn(io_.get_executor(), run(), asio::detached);
    tick();
    thread_ = std::thread([this] {
        ::pthread_setname_np(::pthread_self(), "walcast-slot");
        io_.run();
    });
}

void slot_source::stop() {
    if (!thread_.joinable())
        return;
    stopping_ = true;
    resume();
    thread_.join();
}

void slot_source::resume() {
    asio::post(io_, [this] {
        timer_.cancel();
        if (stopping_)
            ticker_.cancel();
        if (connection_ && stopping_ && !streaming_)
            connection_->abandon();
        else if (connection_ && streaming_)
            connection_->interrupt();
    });
}

void slot_source::request_position(lsn target) {
    asio::post(io_, [this, target] {
        target_ = std::max(target_, target);
        ticker_.cancel();
        if (connection_ && streaming_)
            connection_->interrupt();
    });
}

void slot_source::retain(retention::limits bounds) {
    asio::post(io_, [this, bounds] { retention_.bounds(bounds); });
}

source_status slot_source::status() const {
    const std::scoped_lock lock(status_mutex_);
    return status_;
}

void slot_source::report(std::string state, std::string problem) {
    const std::scoped_lock lock(status_mutex_);
    status_.state = std::move(state);
    status_.problem = std::move(problem);
}

slot_source::awaitable<void> slot_source::pause(std::chrono::milliseconds delay) {
    boost::system::error_code ignored;
    timer_.expires_after(delay);
    co_await timer_.async_wait(asio::redirect_error(use_awaitable, ignored));
}

slot_source::awaitable<void> slot_source::run() {
    backoff patience(100ms, 10s);
    while (!stopping_) {
        replication_failure failure;
        const auto began = std::chrono::steady_clock::now();
        try {
            failure = co_await converse();
        } catch (const connection_error &error) {
            failure = {remedy::reconnect, error.what()};
        }
        connection_ = nullptr;
        streaming_ = false;
        if (stopping_)
            break;
        // What was handed to us whole must not wait for the reconnect.
        emit();
        if (std::chrono::steady_clock::now() - began > 30s)
            patience.reset();
        options_.replication.remake_slot = failure.what_to_do == remedy::remake_slot;
        const bool quiet = failure.what_to_do == remedy::wait_for_slot;
        auto delay = patience.next();
        if (quiet)
            delay = std::min<std::chrono::milliseconds>(delay, 500ms);
        log_.write(quiet ? log_level::info : log_level::warning, "replication interrupted",
                   {{"problem", failure.why}, {"retry_in_ms", delay.count()}});
        report(quiet ? "waiting for the slot" : "connecting", failure.why);
        {
            const std::scoped_lock lock(status_mutex_);
            ++status_.reconnects;
        }
        co_await pause(delay);
    }
    report("stopped");
}

slot_source::awaitable<replication_failure> slot_source::converse() {
    async_connection connection(io_.get_executor());
    connection_ = &connection;
    co_await connection.connect(options_.connection + socket_parameters, connect_limit);
    // A transaction that was handed on in part must come again from its start: then ask for everything after
    // the one before it; the assembler leaves out what was handed on.
    const auto resume = assembler_.decoded();
    assembler_.begin_connection();
    replication_fsm dialogue(options_.replication, resume);
    options_.replication.remake_slot = false;
    auto next = dialogue.connected();
    while (const auto *query = std::get_if<replication_fsm::send_query>(&next)) {
        if (stopping_)
            co_return replication_failure{};
        next = dialogue.result(co_await connection.query(query->text));
    }
    if (auto *failure = std::get_if<replication_failure>(&next))
        co_return std::move(*failure);
    if (dialogue.slot_was_lost())
        log_.error("the slot was lost, or could not be read: made a new one; what happened between is not in "
                   "the feed",
                   {{"slot", options_.replication.slot}});
    retention_.begin(dialogue.slot_begin());
    confirmed_ = std::max(confirmed_, dialogue.slot_begin());
    if (!ready_at_)
        ready_at_ = dialogue.log_end();
    {
        const std::scoped_lock lock(status_mutex_);
        status_.system_identifier = dialogue.system_identifier();
        status_.timeline = dialogue.timeline();
        status_.log_end = dialogue.log_end();
        status_.confirmed = confirmed_;
        status_.slots_lost += dialogue.slot_was_lost();
    }
    if (const auto keep = dialogue.slot_keep_bytes())
        retention_.bounds({std::min(options_.keep.wal_bytes, *keep / 2), options_.keep.age_us});
    log_.info("replication started", {{"slot", options_.replication.slot},
                                      {"from", to_string(resume)},
                                      {"log_end", to_string(dialogue.log_end())},
                                      {"created", dialogue.slot_created()}});
    report(ready_ ? "streaming" : "refilling");
    streaming_ = true;
    co_return co_await stream(connection, dialogue);
}

slot_source::awaitable<replication_failure> slot_source::stream(async_connection &connection,
                                                                const replication_fsm &dialogue) {
    heard_at_ = std::chrono::steady_clock::now();
    confirmed_at_ = {};
    reply_wanted_ = true;
    for (;;) {
        if (stopping_) {
            reply_wanted_ = false;
            co_await confirm(connection);
            co_return replication_failure{};
        }
        if (overloaded_()) {
            // The shards are behind. Unread, the socket fills and the server waits; but it must go on hearing
            // from us.
            emit();
            co_await confirm(connection);
            co_await pause(1s);
            heard_at_ = std::chrono::steady_clock::now();
            continue;
        }
        connection.consume_input();
        std::string_view message;
        auto state = async_connection::copy_state::nothing_yet;
        std::size_t drained = 0;
        while (pending_.bytes < batch_bytes &&
               (state = connection.next(message)) == async_connection::copy_state::message) {
            drained += message.size();
            const auto parsed = parse_replication_message(message);
            if (!parsed)
                throw connection_error("not a message of the replication protocol");
            if (const auto *data = std::get_if<xlog_data>(&*parsed))
                co_await consume(connection, data->bytes);
            else
                heard(std::get<keepalive>(*parsed));
            heard_at_ = std::chrono::steady_clock::now();
        }
        emit();
        if (state == async_connection::copy_state::ended)
            co_return dialogue.explain(connection.end_reason());
        const auto now = std::chrono::steady_clock::now();
        if (now - heard_at_ > options_.silence)
            throw connection_error("the server has fallen silent");
        if (reply_wanted_ || now - confirmed_at_ >= confirm_after())
            co_await confirm(connection);
        // libpq takes in some kilobytes at a time: after that many there is probably more.
        if (state == async_connection::copy_state::nothing_yet && drained < more_to_come_bytes) {
            pacer_.rest();
            co_await connection.wait_readable();
        }
    }
}

std::chrono::milliseconds slot_source::confirm_after() const {
    return target_ > decoded_ || !ready_ ? target_interval : std::chrono::milliseconds(confirm_interval);
}

void slot_source::tick() {
    ticker_.expires_after(std::min<std::chrono::milliseconds>(confirm_after(), 1s));
    ticker_.async_wait([this](boost::system::error_code error) {
        if (stopping_)
            return;
        if (!error && connection_ && streaming_)
            connection_->interrupt();
        tick(); // also when a target has made it earlier
    });
}

slot_source::awaitable<void> slot_source::consume(async_connection &connection, std::string_view payload) {
    auto outcome = assembler_.consume(payload);
    while (!outcome && is_spill_error(outcome.error())) {
        // The disk takes nothing: hold the server back, and keep telling it that we live.
        log_.error("cannot spill a large transaction",
                   {{"directory", options_.spill_directory}, {"problem", outcome.error().message()}});
        report("waiting for the disk", outcome.error().message());
        co_await confirm(connection);
        co_await pause(1s);
        if (stopping_)
            throw connection_error("stopped");
        outcome = assembler_.consume(payload);
    }
    while (outcome && assembler_.replaying()) {
        outcome = assembler_.replay_step();
        if (pending_.bytes >= batch_bytes) {
            emit();
            while (overloaded_() && !stopping_) {
                co_await confirm(connection);
                co_await pause(1s);
            }
        }
    }
    if (!outcome)
        throw connection_error("the replication stream cannot be understood: " + outcome.error().message());
    decoded_ = std::max(decoded_, assembler_.decoded());
}

void slot_source::heard(const keepalive &from) {
    // "Sent up to here": every commit before it is behind us, unless we are in the middle of one.
    if (!assembler_.in_transaction())
        decoded_ = std::max(decoded_, from.log_end);
    reply_wanted_ = reply_wanted_ || from.wants_reply;
    const std::scoped_lock lock(status_mutex_);
    status_.log_end = std::max(status_.log_end, from.log_end);
}

void slot_source::emit() {
    const bool newly_ready = !ready_ && ready_at_ && decoded_ >= ready_at_;
    const bool reaches_target = target_ && decoded_ >= target_;
    if (pending_.empty() && !newly_ready && !reaches_target)
        return;
    ready_ = ready_ || newly_ready;
    if (reaches_target)
        target_ = {};
    auto next = std::exchange(pending_, {});
    next.decoded = decoded_;
    next.ready = ready_;
    std::uint64_t changes = 0, commits = 0;
    for (const auto &one : next.transactions) {
        changes += one->changes().size();
        commits += one->last();
    }
    sink_(std::move(next));
    const std::scoped_lock lock(status_mutex_);
    status_.decoded = decoded_;
    status_.log_end = std::max(status_.log_end, decoded_);
    status_.transactions += commits;
    status_.changes += changes;
    status_.ready = ready_;
    if (newly_ready)
        status_.state = "streaming";
}

slot_source::awaitable<void> slot_source::confirm(async_connection &connection) {
    const auto now = std::chrono::steady_clock::now();
    const auto received = std::max(decoded_, confirmed_);
    const auto confirmed = retention_.confirm(decoded_, unix_microseconds());
    if (std::exchange(confirmed_, confirmed) != confirmed)
        co_await connection.send(make_status_update(received, confirmed, unix_microseconds(), false));
    // Ask for an answer when one is waited for, and after silence: that is what tells a dead stream from an
    // idle one.
    const bool ask = target_ > decoded_ || now - heard_at_ >= confirm_interval || (!ready_ && ready_at_);
    reply_wanted_ = false;
    confirmed_at_ = now;
    co_await connection.send(make_status_update(received, {}, unix_microseconds(), ask));
    const std::scoped_lock lock(status_mutex_);
    status_.confirmed = confirmed_;
    status_.decoded = decoded_;
}

} // namespace walcast
