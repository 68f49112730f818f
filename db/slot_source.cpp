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
/// Of slot_options::stall.
constexpr auto last_stall_limit = 1h;
/// The longest that the stream is left without a status update; wal_sender_timeout is a minute by default.
constexpr auto confirm_interval = 5s;
/// How often a position that somebody waits for is asked for: the log may not have been flushed that far.
constexpr auto target_interval = 20ms;
/// A batch is handed over when a drain has brought this much, even if there is more.
constexpr std::size_t batch_bytes = std::size_t{512} << 10;

constexpr std::size_t more_to_come_bytes = std::size_t{8} << 10;
/// WAL held back beyond the budget before it is confirmed at once.
constexpr std::uint64_t confirm_step_bytes = std::uint64_t{8} << 20;
/// What a drain brings when there is no change in it.
constexpr std::size_t keepalive_bytes = 18;

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
    , retention_(options_.keep)
    , memory_(options_.memory, log)
    , stall_limit_(options_.stall) {
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

void slot_source::expect_position(lsn log_end) {
    asio::post(io_, [this, log_end] { expected_ = log_end; });
}

void slot_source::retain(retention::limits bounds) {
    asio::post(io_, [this, bounds] {
        options_.keep = bounds;
        retention_.bounds(
            {keep_cap_ == 0 ? bounds.wal_bytes : std::min(bounds.wal_bytes, keep_cap_), bounds.age_us});
    });
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
    backoff patience(100ms, 5s);
    while (!stopping_) {
        replication_failure failure;
        const auto began = std::chrono::steady_clock::now();
        const auto stood = decoded_;
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
        // A server that serves us for a moment each time is asked often; one that only refuses, ever less.
        if (decoded_ != stood || std::chrono::steady_clock::now() - began > 10s)
            patience.reset();
        if (faults_.add(failure.server_fault, decoded_ != stood))
            failure.what_to_do = remedy::remake_slot;
        options_.replication.remake_slot = failure.what_to_do == remedy::remake_slot;
        const bool quiet = failure.what_to_do == remedy::wait_for_slot;
        auto delay = patience.next();
        if (quiet)
            delay = std::min<std::chrono::milliseconds>(delay, standby_interval);
        log_.write(quiet ? log_level::info : log_level::warning, "replication interrupted",
                   {{"problem", failure.why}, {"retry_in_ms", delay.count()}});
        report(quiet ? "standby" : "connecting", failure.why);
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
    answer_by_ = {};
    connection_ = &connection;
    co_await connection.connect(options_.connection + source_parameters + " replication=database",
                                connect_limit);
    // A transaction that was handed on in part must come again from its start: then ask for everything after
    // the one before it; the assembler leaves out what was handed on.
    past_.resume = assembler_.decoded();
    assembler_.begin_connection();
    auto asked = options_.replication;
    if (std::chrono::steady_clock::now() < whole_until_)
        asked.streaming = false;
    else
        disk_problem_.clear();
    replication_fsm dialogue(asked, past_);
    options_.replication.remake_slot = false;
    note_streams();
    if (auto ended = co_await lead(connection, dialogue))
        co_return std::move(*ended);
    began(dialogue);
    co_return co_await stream(connection, dialogue);
}

slot_source::awaitable<replication_failure> slot_source::stream(async_connection &connection,
                                                                const replication_fsm &dialogue) {
    heard_at_ = progress_at_ = std::chrono::steady_clock::now();
    progress_ = decoded_;
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
            heard_at_ = progress_at_ = std::chrono::steady_clock::now();
            continue;
        }
        connection.consume_input();
        std::string_view message;
        auto state = async_connection::copy_state::nothing_yet;
        std::size_t drained = 0;
        while (pending_.bytes < batch_bytes &&
               (state = connection.next(message)) == async_connection::copy_state::message) {
            // It came before this message, which must not be taken for all that there is up to its position.
            if (auto gap = look_at_warnings(connection, dialogue))
                co_return std::move(*gap);
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
        if (auto gap = look_at_warnings(connection, dialogue))
            co_return std::move(*gap);
        note_streams();
        if (state == async_connection::copy_state::ended)
            co_return dialogue.explain(connection.end_reason());
        const auto now = std::chrono::steady_clock::now();
        if (now - heard_at_ > options_.silence)
            throw connection_error("the server has fallen silent");
        if (drained > keepalive_bytes)
            progress_at_ = now;
        watch_progress(now);
        if (reply_wanted_ || now - confirmed_at_ >= confirm_after() || over_budget())
            co_await confirm(connection);
        // libpq takes in some kilobytes at a time: after that many there is probably more.
        if (state == async_connection::copy_state::nothing_yet && drained < more_to_come_bytes) {
            pacer_.rest();
            co_await connection.wait_readable();
        }
    }
}

std::optional<replication_failure> slot_source::look_at_warnings(async_connection &connection,
                                                                 const replication_fsm &dialogue) {
    while (const auto warning = connection.take_warning()) {
        if (auto ends = dialogue.explain_warning(*warning))
            return ends;
        if (std::exchange(warned_, warning->message) != warning->message)
            log_.warning("the server warns", {{"problem", warning->message}});
    }
    return std::nullopt;
}

bool slot_source::over_budget() const {
    const auto held = decoded_.value - std::min(decoded_, confirmed_).value;
    return held > retention_.most_wal_bytes() + confirm_step_bytes;
}

std::chrono::milliseconds slot_source::confirm_after() const {
    return target_ > decoded_ || !ready_ ? target_interval : std::chrono::milliseconds(confirm_interval);
}

void slot_source::tick() {
    ticker_.expires_after(std::min<std::chrono::milliseconds>(confirm_after(), 1s));
    ticker_.async_wait([this](boost::system::error_code) {
        if (stopping_)
            return;
        const auto now = std::chrono::steady_clock::now();
        const bool stuck = streaming_ ? now - heard_at_ > 2 * options_.silence // in a write
                                      : answer_by_ != decltype(answer_by_)() && now > answer_by_;
        if (connection_ && stuck)
            connection_->abandon();
        else if (connection_ && streaming_)
            connection_->interrupt();
        tick(); // also when a target has made it earlier
    });
}

void slot_source::watch_progress(std::chrono::steady_clock::time_point now) {
    if (decoded_ > progress_ || decoded_ >= expected_) {
        progress_ = decoded_;
        progress_at_ = now;
        stall_limit_ = options_.stall;
    } else if (now - progress_at_ > stall_limit_) {
        stall_limit_ = std::min<std::chrono::milliseconds>(2 * stall_limit_, last_stall_limit);
        throw connection_error(fmt::format("the stream stands at {} while the log has reached {}",
                                           to_string(decoded_), to_string(expected_)));
    }
}

slot_source::awaitable<void> slot_source::consume(async_connection &connection, std::string_view payload) {
    auto outcome = assembler_.consume(payload);
    if (!outcome && is_spill_error(outcome.error()))
        outcome = co_await wait_for_disk(connection, payload, outcome.error().message());
    while (outcome && assembler_.replaying()) {
        if (stopping_)
            throw connection_error("stopped");
        outcome = assembler_.replay_step();
        if (pending_.bytes >= batch_bytes) {
            emit();
            while (overloaded_() && !stopping_) {
                co_await confirm(connection);
                co_await pause(1s);
                heard_at_ = progress_at_ = std::chrono::steady_clock::now();
            }
        }
        // The server must hear from us also while we are busy with what it has sent.
        if (std::chrono::steady_clock::now() - confirmed_at_ >= confirm_interval) {
            co_await confirm(connection);
            heard_at_ = std::chrono::steady_clock::now(); // what it sends meanwhile is not read
        }
    }
    if (!outcome && outcome.error() == decode_error::unknown_binary)
        options_.replication.binary = false; // for good: the next connection gets text and goes on from here
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

void slot_source::emit(bool always) {
    const bool newly_ready = !ready_ && ready_at_ && decoded_ >= ready_at_;
    const bool reaches_target = target_ && decoded_ >= target_;
    if (pending_.empty() && !newly_ready && !reaches_target && !always)
        return;
    ready_ = ready_ || newly_ready;
    if (reaches_target)
        target_ = {};
    auto next = std::exchange(pending_, {});
    next.decoded = decoded_;
    next.epoch = epoch_;
    next.ready = ready_;
    next.exact = true;
    next.origin = origin_;
    // Remembered before it is handed over: killed in between, nothing is repeated, as it comes from the slot
    // again.
    memory_.note(next.transactions);
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
    auto confirmed = retention_.confirm(decoded_, unix_microseconds(), options_.settled());
    if (const auto most = options_.received(decoded_); most < confirmed)
        confirmed = std::max(most, std::min(confirmed_, confirmed)); // never back
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
