#include "tests/bench/drain.hpp"

#include "server/feed/position.hpp"
#include "tests/bench/log_rows.hpp"
#include "tests/bench/proc_stat.hpp"
#include "tests/bench/status_probe.hpp"

#include <fmt/format.h>

#include <stdexcept>
#include <thread>

namespace walcast::bench {

using namespace std::chrono_literals;

namespace {

constexpr auto start_limit = 30s; // for a relay to listen, and for a reader to get the slot
constexpr auto stop_limit = 20s;
constexpr auto reconnect_limit = 120s; // a relay that was refused for long tries again rarely
constexpr auto silence_limit = 60s;    // without any progress

[[nodiscard]] double seconds_between(std::uint64_t begin_ns, std::uint64_t end_ns) {
    return static_cast<double>(end_ns - begin_ns) / 1e9;
}

/// One event after the other, from the first of the stretch to the one that ends it.
class sequence_check {
  public:
    explicit sequence_check(std::int64_t first)
        : next_{first} {}

    void event(std::string_view text) {
        const auto marks = read_marks(text);
        if (!marks || marks->log != next_ || marks->message != message_ + 1)
            ++wrong_;
        if (marks) {
            next_ = marks->log + 1;
            message_ = marks->message;
        }
    }
    [[nodiscard]] std::uint64_t wrong() const { return wrong_; }
    [[nodiscard]] std::int64_t next() const { return next_; }

  private:
    std::int64_t next_;
    std::int64_t message_ = 0;
    std::uint64_t wrong_ = 0;
};

// The slot is made before the relay starts, so that the relay has nothing of earlier runs to read.
const std::vector<std::string> &command_with_new_slot(const drain_setup &setup, slot_admin &slots) {
    slots.drop(setup.slot, stop_limit);
    slots.create(setup.slot);
    return setup.relay;
}

// Sleeps rather than polls, so that sessions without events cost nothing while the relay computes.
void wait_for_decoded(const status_probe &probe, std::chrono::seconds limit) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while (!probe.reached() && std::chrono::steady_clock::now() < deadline)
        std::this_thread::sleep_for(5ms);
}

} // namespace

drain_result drain_by_recvlogical(const drain_setup &setup, slot_admin &slots, const plugin_options &options,
                                  const wal_stretch &stretch) {
    const std::string slot = "bench_recvlogical";
    slots.drop(slot, stop_limit);
    slots.copy(stretch.slot, slot);
    std::vector<std::string> command{setup.pg_bin + "/pg_recvlogical",
                                     "--dbname=" + setup.connection,
                                     "--slot=" + slot,
                                     "--start",
                                     "--endpos=" + stretch.end,
                                     "--file=/dev/null",
                                     "--no-loop"};
    for (const auto &[name, value] : options)
        command.push_back("--option=" + name + "=" + value);

    child_process reader(command, setup.log_path);
    slots.wait_for_sender(slot, 0, start_limit);
    const std::uint64_t begin = now_ns();
    const auto status = reader.wait(10min);
    drain_result made{.seconds = seconds_between(begin, now_ns())};
    if (status != 0)
        throw std::runtime_error("pg_recvlogical failed; see " + setup.log_path);
    slots.drop(slot, stop_limit);
    return made;
}

held_relay::held_relay(const drain_setup &setup, slot_admin &slots, std::size_t sessions)
    : setup_{setup}
    , slots_{slots}
    , relay_{command_with_new_slot(setup, slots), setup.log_path} {
    options_ = slots_.options_of(slots_.wait_for_sender(setup_.slot, 0, start_limit));
    if (options_.empty())
        throw std::runtime_error("the relay's START_REPLICATION cannot be seen in pg_stat_activity");
    if (sessions != 0) {
        connect(sessions);
        subscribe();
    }
    take_slot();
}

// The relay may need a moment until it listens: keeps trying to connect the first session.
void held_relay::connect(std::size_t sessions) {
    const auto deadline = std::chrono::steady_clock::now() + start_limit;
    while (!pool_) {
        auto pool = std::make_unique<ws_client_pool>(
            ws_options{.port = setup_.port, .target = "/websocket?api_token=" + setup_.token});
        try {
            pool->open(1, 5s);
            pool_ = std::move(pool);
        } catch (const std::runtime_error &) {
            if (std::chrono::steady_clock::now() > deadline)
                throw;
        }
        if (relay_.wait(50ms))
            throw std::runtime_error("the relay ended; see " + setup_.log_path);
    }
    pool_->open(sessions - 1, 60s);
}

void held_relay::subscribe() {
    pool_->send_all(R"({"method":"subscribe","filters":[]})");
    const auto deadline = std::chrono::steady_clock::now() + start_limit;
    while (pool_->replies() < pool_->size()) {
        pool_->poll(50ms);
        if (std::chrono::steady_clock::now() > deadline)
            throw std::runtime_error("the relay does not answer the subscribes");
    }
    // A reply may come before the token is checked, and until then no events do: give that its time.
    for (const auto end = std::chrono::steady_clock::now() + 1s; std::chrono::steady_clock::now() < end;)
        pool_->poll(50ms);
    if (pool_->closed() != 0)
        throw std::runtime_error(pool_->failure());
}

// When the relay's sender ends, the relay and we want the slot: if the relay is faster, its new sender goes
// as well.
void held_relay::take_slot() {
    const auto deadline = std::chrono::steady_clock::now() + start_limit;
    while (!hold_) {
        if (const pid_t sender = slots_.sender(setup_.slot); sender != 0)
            slots_.terminate(sender);
        try {
            hold_ = std::make_unique<slot_hold>(setup_.connection, setup_.slot, setup_.publication);
        } catch (const std::runtime_error &) {
            if (std::chrono::steady_clock::now() > deadline)
                throw;
        }
    }
    holder_ = slots_.wait_for_sender(setup_.slot, 0, start_limit);
}

void held_relay::wait_for_events(std::uint64_t wanted) {
    std::uint64_t seen = pool_->events(0);
    auto deadline = std::chrono::steady_clock::now() + silence_limit;
    while (pool_->events(0) < wanted) {
        pool_->poll(20ms);
        if (pool_->closed() != 0)
            throw std::runtime_error(pool_->failure());
        const auto now = std::chrono::steady_clock::now();
        if (pool_->events(0) != seen) {
            seen = pool_->events(0);
            deadline = now + silence_limit;
        } else if (now > deadline) {
            throw std::runtime_error(fmt::format("{} of {} events came, then none", seen, wanted));
        }
    }
}

drain_result held_relay::drain(const wal_stretch &stretch) {
    sequence_check check(stretch.last_id.value_or(0) - stretch.rows + 1);
    if (stretch.last_id) {
        pool_->on_text([&check, reply = ws_options{}.reply_bytes](std::size_t, std::string_view text) {
            if (text.size() >= reply)
                check.event(text);
        });
        pool_->watch(0);
    }

    hold_.reset();
    const pid_t sender = slots_.wait_for_sender(setup_.slot, holder_, reconnect_limit);
    const std::uint64_t begin = now_ns();
    const proc_sample relay_before = sample_process(relay_.pid());
    const proc_sample sender_before = sample_process(sender);
    const status_probe probe(setup_.port, setup_.management_token,
                             parse_lsn(stretch.end).value_or(lsn{}).value);
    if (stretch.last_id)
        wait_for_events(static_cast<std::uint64_t>(stretch.rows));
    else
        wait_for_decoded(probe, 300s);
    const std::uint64_t end = now_ns();
    const proc_sample sender_after = sample_process(sender);
    const proc_sample relay_after = sample_process(relay_.pid());

    drain_result made;
    if (stretch.last_id) {
        // The row that ends the stretch is the last event; whatever comes after it was sent twice.
        wait_for_events(static_cast<std::uint64_t>(stretch.rows) + 1);
        for (int i = 0; i < 10; ++i)
            pool_->poll(20ms);
        made.wrong = check.wrong() + (check.next() != *stretch.last_id + 2 ? 1u : 0u);
        wait_for_decoded(probe, 5s);
    }
    if (const auto reached = probe.reached())
        made.decoded_seconds = seconds_between(begin, *reached);
    else if (!stretch.last_id)
        throw std::runtime_error("/status.json never said that the relay had decoded everything");
    made.seconds = stretch.last_id ? seconds_between(begin, end) : *made.decoded_seconds;
    made.cpu_us_per_row = static_cast<double>(relay_after.cpu_ns - relay_before.cpu_ns) / 1e3 /
                          static_cast<double>(stretch.rows);
    made.sender_busy = static_cast<double>(sender_after.cpu_ns - sender_before.cpu_ns) / 1e9 / made.seconds;
    made.peak_rss_mb = static_cast<double>(sample_process(relay_.pid()).peak_rss_bytes) / (1 << 20);

    pool_.reset();
    if (const int status = relay_.stop(stop_limit); status != 0)
        fmt::print(stderr, "the relay ended with status {} when asked to stop; see {}\n", status,
                   setup_.log_path);
    slots_.drop(setup_.slot, stop_limit);
    return made;
}

} // namespace walcast::bench
