// Latency: how much later than pg_recvlogical a subscriber has a change, while many are written.

#include "tests/bench/commit_watch.hpp"
#include "tests/bench/histogram.hpp"
#include "tests/bench/log_rows.hpp"
#include "tests/bench/relay_options.hpp"
#include "tests/bench/report.hpp"
#include "tests/bench/v1_text.hpp"
#include "tests/bench/ws_client.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <pqxx/connection>
#include <pqxx/nontransaction>

#include <atomic>
#include <chrono>
#include <exception>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace walcast::bench;
using namespace std::chrono_literals;

constexpr double p50_target_ms = 1;
constexpr double p99_target_ms = 5;

struct options {
    ws_options server;
    std::string token;
    std::string connection;
    std::string pg_bin;
    std::string slot = "walcast";
    std::string folder = "build/bench";
    std::size_t subscribers = 1'000;
    std::size_t records = 1'000;
    std::size_t rate = 2'000;
    std::size_t seconds = 15;
    std::size_t warm_up_seconds = 2;
    std::size_t writers = 2;
    std::vector<int> fan_outs{1, 10};

    [[nodiscard]] std::size_t marks() const { return rate * (seconds + warm_up_seconds); }
};

/// Commits one change after the other, each at its time: `rate` a second in all, whether the server keeps up
/// or not. The records are changed in turns.
class paced_writers {
  public:
    explicit paced_writers(const options &chosen)
        : chosen_(chosen)
        , begin_(std::chrono::steady_clock::now() + 100ms)
        , sent_(chosen.marks()) {
        for (std::size_t i = 0; i < chosen.writers; ++i)
            threads_.emplace_back([this, i] { run(i); });
    }

    /// Waits for the last commit. When each change was sent, steady_clock in ns by mark.
    [[nodiscard]] std::vector<std::uint64_t> finish() {
        for (auto &one : threads_)
            one.join();
        if (failed_)
            throw std::runtime_error("a writer failed");
        return std::move(sent_);
    }
    [[nodiscard]] bool done() const { return finished_ == chosen_.writers; }
    /// The latest that a commit was begun behind its time: what the writers themselves could not keep.
    [[nodiscard]] std::uint64_t latest_ns() const { return latest_ns_; }

  private:
    void run(std::size_t number) {
        try {
            pqxx::connection connection(chosen_.connection);
            connection.prepare("change", "update collections set name = $1 where uuid = $2");
            for (auto mark = number; mark < chosen_.marks(); mark += chosen_.writers) {
                const auto due = begin_ + std::chrono::nanoseconds(1'000'000'000 / chosen_.rate * mark);
                std::this_thread::sleep_until(due);
                const auto late = std::chrono::steady_clock::now() - due;
                if (late > 0ns && static_cast<std::uint64_t>(late.count()) > latest_ns_)
                    latest_ns_ = static_cast<std::uint64_t>(late.count());
                sent_[mark] = now_ns();
                pqxx::nontransaction(connection)
                    .exec_prepared0("change", mark_text(mark), record_uuid(mark % chosen_.records));
            }
        } catch (const std::exception &error) {
            fmt::print(stderr, "writer: {}\n", error.what());
            failed_ = true;
        }
        ++finished_;
    }

    const options &chosen_;
    std::chrono::steady_clock::time_point begin_;
    std::vector<std::uint64_t> sent_;
    std::atomic<std::uint64_t> latest_ns_{0};
    std::atomic<std::size_t> finished_{0};
    std::atomic<bool> failed_{false};
    std::vector<std::jthread> threads_;
};

class latency_bench {
  public:
    explicit latency_bench(options chosen)
        : chosen_(std::move(chosen))
        , connection_(chosen_.connection)
        , slots_(connection_)
        , file_(chosen_.folder + "/latency.json") {
        chosen_.server.target = "/arvados/v1/events.ws?api_token=" + chosen_.token;
        chosen_.server.reply_bytes = 0; // whatever comes is looked at
        chosen_.server.watch_all = true;
    }

    /// Returns how many changes were lost, repeated or out of order.
    std::uint64_t run() {
        pqxx::nontransaction(connection_)
            .exec(
                fmt::format("insert into collections (uuid, owner_uuid, name, created_at, updated_at)"
                            " select 'zzzzz-4zz18-' || lpad(n::text, 15, '0'), 'zzzzz-tpzed-000000000000000',"
                            " 'collection ' || n, now(), now() from generate_series(0, {}) as n"
                            " on conflict do nothing",
                            chosen_.records - 1));
        const auto plugin = slots_.options_of(slots_.wait_for_sender(chosen_.slot, 0, 30s));
        std::uint64_t wrong = 0;
        for (const int fan_out : chosen_.fan_outs)
            wrong += run(static_cast<std::size_t>(fan_out), plugin);
        fmt::print(
            "{} changes/s of {} records, {} subscribers, {} s. Added: behind pg_recvlogical, which reads the "
            "same commits.\nTargets: added p50 < {} ms, p99 < {} ms.\n\n",
            chosen_.rate, chosen_.records, chosen_.subscribers, chosen_.seconds, p50_target_ms,
            p99_target_ms);
        shown_.print();
        fmt::print("\nJSON lines: {}/latency.json\n", chosen_.folder);
        return wrong;
    }

  private:
    /// Each change goes to `fan_out` subscribers.
    std::uint64_t run(std::size_t fan_out, const plugin_options &plugin) {
        ws_client_pool pool(chosen_.server);
        std::size_t live = 0, welcome = 0, came = 0;
        std::uint64_t wrong = 0;
        std::vector<std::vector<std::uint64_t>> at(fan_out, std::vector<std::uint64_t>(chosen_.marks()));
        std::vector<std::uint8_t> count(chosen_.marks());
        pool.on_text([&](std::size_t, std::string_view text) {
            if (is_op(text, "change")) {
                const auto now = now_ns();
                for_each_mark(text_of(text, "name"), [&](std::size_t mark) {
                    ++came;
                    if (mark >= chosen_.marks() || count[mark] >= fan_out)
                        ++wrong;
                    else
                        at[count[mark]++][mark] = now;
                });
            } else if (is_op(text, "live")) {
                ++live;
            } else if (is_op(text, "auth")) {
                ++welcome;
            } else if (is_op(text, "reset") || is_op(text, "error")) {
                ++wrong;
            }
        });
        pool.open(chosen_.subscribers, 60s);
        const auto until = [&](auto &&there) {
            const auto deadline = std::chrono::steady_clock::now() + 60s;
            while (!there() && std::chrono::steady_clock::now() < deadline)
                pool.poll(10ms);
            if (!there())
                throw std::runtime_error("the relay does not answer");
        };
        until([&] { return welcome >= chosen_.subscribers; });
        const auto each = chosen_.records * fan_out / chosen_.subscribers; // subscriptions of a session
        for (std::size_t i = 0; i < chosen_.subscribers; ++i)
            for (std::size_t k = 0; k < each; ++k)
                pool.send(i, subscribe_to((i * each + k) % chosen_.records, R"(,"select":["uuid","name"])"));
        until([&] { return live >= each * chosen_.subscribers; });

        commit_watch watch(slots_, chosen_.pg_bin, chosen_.connection, plugin, chosen_.folder,
                           chosen_.marks());
        paced_writers writers(chosen_);
        const auto due = chosen_.marks() * fan_out;
        auto deadline = std::chrono::steady_clock::now() + 60s;
        while ((!writers.done() || came < due) && std::chrono::steady_clock::now() < deadline) {
            pool.poll(10ms);
            if (!writers.done())
                deadline = std::chrono::steady_clock::now() + 20s;
            if (pool.closed() != 0)
                throw std::runtime_error(pool.failure());
        }
        const auto sent = writers.finish();
        std::this_thread::sleep_for(500ms); // pg_recvlogical's last
        const auto seen = watch.stop();
        wrong += due - std::min<std::uint64_t>(due, came);
        report(fan_out, sent, seen, at, writers.latest_ns(), wrong);
        return wrong;
    }

    void report(std::size_t fan_out, const std::vector<std::uint64_t> &sent,
                const std::vector<std::uint64_t> &seen, const std::vector<std::vector<std::uint64_t>> &at,
                std::uint64_t latest_ns, std::uint64_t wrong) {
        histogram by_reader, by_client, added;
        std::uint64_t unseen = 0;
        for (auto mark = chosen_.rate * chosen_.warm_up_seconds; mark < chosen_.marks(); ++mark) {
            if (seen[mark] == 0) {
                ++unseen;
                continue;
            }
            by_reader.record(seen[mark] - sent[mark]);
            for (const auto &client : at) {
                if (client[mark] == 0)
                    continue;
                by_client.record(client[mark] - sent[mark]);
                // A client may have it first: then nothing was added.
                added.record(client[mark] > seen[mark] ? client[mark] - seen[mark] : 0);
            }
        }
        if (unseen > 0)
            throw std::runtime_error(fmt::format("pg_recvlogical did not see {} changes", unseen));
        const auto ms = [](std::uint64_t ns) { return static_cast<double>(ns) / 1e6; };
        const bool met = wrong == 0 && ms(added.percentile(50)) < p50_target_ms &&
                         ms(added.percentile(99)) < p99_target_ms;
        const auto shown = [&](std::uint64_t ns) { return fmt::format("{:.2f}", ms(ns)); };
        shown_.add({fmt::format("{} of them each", fan_out), shown(by_reader.percentile(50)),
                    shown(by_reader.percentile(99)), shown(by_client.percentile(50)),
                    shown(by_client.percentile(99)), shown(added.percentile(50)), shown(added.percentile(99)),
                    shown(added.percentile(99.9)), shown(latest_ns), fmt::format("{}", wrong),
                    met ? "yes" : "no"});
        json_line line;
        line.add("bench", "latency").add("at", now_text()).add("rate", chosen_.rate);
        line.add("subscribers", chosen_.subscribers)
            .add("fan_out", fan_out)
            .add("changes", by_reader.count());
        line.add("recvlogical_p50_ms", ms(by_reader.percentile(50)));
        line.add("recvlogical_p99_ms", ms(by_reader.percentile(99)));
        line.add("client_p50_ms", ms(by_client.percentile(50)))
            .add("client_p99_ms", ms(by_client.percentile(99)));
        line.add("added_p50_ms", ms(added.percentile(50))).add("added_p99_ms", ms(added.percentile(99)));
        line.add("added_p99_9_ms", ms(added.percentile(99.9))).add("writers_late_ms", ms(latest_ns));
        line.add("wrong", wrong).add("target_met", met);
        file_.write(line.text());
    }

    options chosen_;
    pqxx::connection connection_;
    slot_admin slots_;
    json_lines file_;
    table shown_{{"a change goes to", "recvlogical p50", "p99", "client p50", "p99", "added p50 ms", "p99",
                  "p99.9", "writers late", "wrong", "target met"}};
};

void add_options(CLI::App &app, options &chosen) {
    add_relay_options(app, chosen.server.port, chosen.token, chosen.connection);
    app.add_option("--pg-bin", chosen.pg_bin, "folder of pg_recvlogical")->required();
    app.add_option("--slot", chosen.slot, "the relay's slot")->capture_default_str();
    app.add_option("--folder", chosen.folder, "for the JSON lines and logs")->capture_default_str();
    app.add_option("--subscribers", chosen.subscribers, "connections")->capture_default_str();
    app.add_option("--records", chosen.records, "that are changed in turns")->capture_default_str();
    app.add_option("--rate", chosen.rate, "changes a second, each a commit")->capture_default_str();
    app.add_option("--seconds", chosen.seconds, "measured")->capture_default_str();
    app.add_option("--warm-up-seconds", chosen.warm_up_seconds, "before them")->capture_default_str();
    app.add_option("--writers", chosen.writers, "connections that write")->capture_default_str();
    app.add_option("--fan-out", chosen.fan_outs, "subscribers of each record; several make several runs")
        ->take_all()
        ->capture_default_str();
}

} // namespace

int main(int argc, char **argv) {
    CLI::App app{"How much later than pg_recvlogical subscribers have changes."};
    options chosen;
    add_options(app, chosen);
    CLI11_PARSE(app, argc, argv);
    try {
        return latency_bench(std::move(chosen)).run() == 0 ? 0 : 1;
    } catch (const std::exception &error) {
        fmt::print(stderr, "bench_latency: {}\n", error.what());
        return 1;
    }
}
