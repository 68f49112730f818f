#include "tests/bench/drain.hpp"

#include "server/feed/position.hpp"
#include "tests/bench/child_process.hpp"
#include "tests/bench/log_rows.hpp"
#include "tests/bench/proc_stat.hpp"
#include "tests/bench/status_probe.hpp"
#include "tests/bench/ws_client.hpp"

#include <fmt/format.h>

#include <memory>
#include <stdexcept>
#include <thread>

namespace walcast::bench {

using namespace std::chrono_literals;

namespace {

constexpr auto start_limit = 30s; // for a relay to listen, and for a reader to get the slot
constexpr auto stop_limit = 20s;
constexpr auto silence_limit = 60s; // without any progress

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

// The relay may need a moment until it listens: keeps trying to connect the first session.
std::unique_ptr<ws_client_pool> connect(const drain_setup &setup, child_process &relay,
                                        std::size_t sessions) {
    const auto deadline = std::chrono::steady_clock::now() + start_limit;
    for (;;) {
        auto pool = std::make_unique<ws_client_pool>(
            ws_options{.port = setup.port, .target = "/websocket?api_token=" + setup.token});
        try {
            pool->open(1, 5s);
            pool->open(sessions - 1, 60s);
            return pool;
        } catch (const std::runtime_error &) {
            if (std::chrono::steady_clock::now() > deadline)
                throw;
        }
        if (relay.wait(50ms))
            throw std::runtime_error("the relay ended at once; see " + setup.log_path);
    }
}

// Waits for the replies. A relay that answers only when it has the slot is not waited for.
void subscribe(ws_client_pool &pool) {
    pool.send_all(R"({"method":"subscribe","filters":[]})");
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    while (pool.replies() < pool.size() && std::chrono::steady_clock::now() < deadline)
        pool.poll(50ms);
    // A reply may come before the token is checked, and until then no events do: give that its time.
    for (const auto end = std::chrono::steady_clock::now() + 1s; std::chrono::steady_clock::now() < end;)
        pool.poll(50ms);
    if (pool.closed() != 0)
        throw std::runtime_error(pool.failure());
}

void wait_for_events(ws_client_pool &pool, std::uint64_t wanted) {
    std::uint64_t seen = pool.events(0);
    auto deadline = std::chrono::steady_clock::now() + silence_limit;
    while (pool.events(0) < wanted) {
        pool.poll(20ms);
        if (pool.closed() != 0)
            throw std::runtime_error(pool.failure());
        const auto now = std::chrono::steady_clock::now();
        if (pool.events(0) != seen) {
            seen = pool.events(0);
            deadline = now + silence_limit;
        } else if (now > deadline) {
            throw std::runtime_error(fmt::format("{} of {} events came, then none", seen, wanted));
        }
    }
}

// Sleeps rather than polls, so that sessions without events cost nothing while the relay computes.
void wait_for_decoded(const status_probe &probe, std::chrono::seconds limit) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while (!probe.reached() && std::chrono::steady_clock::now() < deadline)
        std::this_thread::sleep_for(5ms);
}

} // namespace

drain_result drain_by_recvlogical(const drain_setup &setup, slot_admin &slots, const wal_stretch &stretch) {
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
    for (const auto &[name, value] : setup.options)
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

drain_result drain_by_relay(const drain_setup &setup, slot_admin &slots, const wal_stretch &stretch,
                            std::size_t sessions) {
    slots.drop(setup.slot, stop_limit);
    slots.copy(stretch.slot, setup.slot);
    auto hold = std::make_unique<slot_hold>(setup.connection, setup.slot, setup.publication);
    const pid_t holder = slots.wait_for_sender(setup.slot, 0, start_limit);
    child_process relay(setup.relay, setup.log_path);

    sequence_check check(stretch.last_id.value_or(0) - stretch.rows + 1);
    std::unique_ptr<ws_client_pool> pool;
    if (sessions != 0) {
        pool = connect(setup, relay, sessions);
        pool->on_text([&check, reply = ws_options{}.reply_bytes](std::size_t, std::string_view text) {
            if (text.size() >= reply)
                check.event(text);
        });
        pool->watch(0);
        subscribe(*pool);
    }

    hold.reset();
    const pid_t sender = slots.wait_for_sender(setup.slot, holder, 2 * start_limit);
    const std::uint64_t begin = now_ns();
    const proc_sample relay_before = sample_process(relay.pid());
    const proc_sample sender_before = sample_process(sender);
    const status_probe probe(setup.port, setup.management_token,
                             parse_lsn(stretch.end).value_or(lsn{}).value);
    if (stretch.last_id)
        wait_for_events(*pool, static_cast<std::uint64_t>(stretch.rows));
    else
        wait_for_decoded(probe, 300s);
    const std::uint64_t end = now_ns();
    const proc_sample sender_after = sample_process(sender);
    const proc_sample relay_after = sample_process(relay.pid());

    if (stretch.last_id) {
        // The row that ends the stretch is the last event; whatever comes after it was sent twice.
        wait_for_events(*pool, static_cast<std::uint64_t>(stretch.rows) + 1);
        for (int i = 0; i < 10; ++i)
            pool->poll(20ms);
        wait_for_decoded(probe, 5s);
    } else if (!probe.reached()) {
        throw std::runtime_error("/status.json never said that the relay had decoded everything");
    }

    drain_result made{.seconds = seconds_between(begin, stretch.last_id ? end : *probe.reached())};
    if (const auto reached = probe.reached())
        made.decoded_seconds = seconds_between(begin, *reached);
    made.cpu_us_per_row = static_cast<double>(relay_after.cpu_ns - relay_before.cpu_ns) / 1e3 /
                          static_cast<double>(stretch.rows);
    made.sender_busy = static_cast<double>(sender_after.cpu_ns - sender_before.cpu_ns) / 1e9 / made.seconds;
    made.peak_rss_mb = static_cast<double>(sample_process(relay.pid()).peak_rss_bytes) / (1 << 20);
    if (stretch.last_id)
        made.wrong = check.wrong() + (check.next() != *stretch.last_id + 2 ? 1u : 0u);
    pool.reset();
    if (const int status = relay.stop(stop_limit); status != 0)
        fmt::print(stderr, "the relay ended with status {} when asked to stop; see {}\n", status,
                   setup.log_path);
    slots.drop(setup.slot, stop_limit);
    return made;
}

plugin_options learn_options(const drain_setup &setup, slot_admin &slots, const std::string &from_slot) {
    slots.drop(setup.slot, stop_limit);
    slots.copy(from_slot, setup.slot);
    plugin_options made;
    {
        child_process relay(setup.relay, setup.log_path);
        made = slots.options_of(slots.wait_for_sender(setup.slot, 0, start_limit));
        relay.stop(stop_limit);
    }
    slots.drop(setup.slot, stop_limit);
    if (made.empty())
        throw std::runtime_error("the relay's START_REPLICATION cannot be seen in pg_stat_activity");
    return made;
}

} // namespace walcast::bench
