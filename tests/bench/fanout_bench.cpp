// Fan-out: what it costs the server to bring one committed row to many sessions, and how long that takes.

#include "tests/bench/histogram.hpp"
#include "tests/bench/log_rows.hpp"
#include "tests/bench/order_check.hpp"
#include "tests/bench/proc_stat.hpp"
#include "tests/bench/relay_options.hpp"
#include "tests/bench/report.hpp"
#include "tests/bench/round_writer.hpp"
#include "tests/bench/ws_client.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <fstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace walcast::bench;
using namespace std::chrono_literals;
using std::chrono::milliseconds;

struct options {
    ws_options server;
    std::string token;
    std::string tokens_file;
    std::string connection;
    pid_t server_pid = 0;
    std::size_t sessions = 1000;
    std::size_t sampled = 64;
    int rounds = 300;
    int warm_up = 20;
    int turns = 1;
    std::vector<int> bursts{1, 16};
    std::string output = "build/bench/fanout.json";
};

struct variant_result {
    std::string who;
    int burst = 0;
    std::uint64_t deliveries = 0;
    double seconds = 0;
    double frame_bytes = 0;
    double cpu_us = 0; // per delivery, as all of these
    double user_us = 0;
    double system_us = 0;
    double switches_per_round = 0;
    double session_rss_kb = 0;
    histogram delay;
    histogram commit;
    std::uint64_t wrong = 0;
};

void wait_for_events(ws_client_pool &pool, const round_writer &writer, std::uint64_t wanted) {
    auto deadline = std::chrono::steady_clock::now() + 30s;
    std::uint64_t seen = pool.events();
    while (pool.events() < wanted && !writer.failed()) {
        pool.poll(100ms);
        if (pool.closed() != 0)
            throw std::runtime_error(pool.failure());
        const auto now = std::chrono::steady_clock::now();
        if (pool.events() != seen) {
            seen = pool.events();
            deadline = now + 30s;
        } else if (now > deadline) {
            throw std::runtime_error(fmt::format("{} of {} events came, then none for 30 s", seen, wanted));
        }
    }
}

/// The sessions are of whoever the targets say.
variant_result run(const options &chosen, const std::string &who, int burst) {
    const proc_sample empty = sample_process(chosen.server_pid);
    ws_client_pool pool(chosen.server);
    order_check check(chosen.sessions);
    std::uint64_t accepted = 0;
    pool.on_text([&](std::size_t session, std::string_view text) {
        if (text.size() >= chosen.server.reply_bytes)
            check.event(session, text);
        else if (text == R"({"status":200})")
            ++accepted;
    });
    pool.open(chosen.sessions, 60s);
    const std::size_t stride =
        std::max<std::size_t>(1, chosen.sessions / std::max<std::size_t>(1, chosen.sampled));
    for (std::size_t i = 0; i < chosen.sessions; i += stride)
        pool.watch(i);
    pool.send_all(R"({"method":"subscribe","filters":[]})");
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    while (accepted < chosen.sessions) {
        pool.poll(100ms);
        if (pool.closed() != 0)
            throw std::runtime_error(pool.failure());
        if (std::chrono::steady_clock::now() > deadline)
            throw std::runtime_error(
                fmt::format("{} of {} subscribes were accepted", accepted, chosen.sessions));
    }
    // A reply may come before the token is checked, and until then no events do: give that its time.
    for (const auto end = std::chrono::steady_clock::now() + 1s; std::chrono::steady_clock::now() < end;)
        pool.poll(50ms);

    variant_result made{.who = who, .burst = burst};
    round_writer writer(chosen.connection);
    const auto one_round = [&](std::uint64_t wanted) {
        writer.go(burst);
        wait_for_events(pool, writer, wanted);
        return writer.finished();
    };
    const std::uint64_t per_round = chosen.sessions * static_cast<std::uint64_t>(burst);
    for (int i = 1; i <= chosen.warm_up; ++i)
        one_round(per_round * static_cast<std::uint64_t>(i));

    check.start_recording();
    const std::uint64_t events_before = pool.events();
    const std::uint64_t bytes_before = pool.event_bytes();
    const std::uint64_t begin = now_ns();
    const proc_sample before = sample_process(chosen.server_pid);
    for (int i = 1; i <= chosen.rounds; ++i)
        made.commit.record(one_round(events_before + per_round * static_cast<std::uint64_t>(i)));
    const proc_sample after = sample_process(chosen.server_pid);
    made.seconds = static_cast<double>(now_ns() - begin) / 1e9;

    // Whatever comes now was sent twice.
    for (int i = 0; i < 5; ++i)
        pool.poll(20ms);
    const std::uint64_t total =
        static_cast<std::uint64_t>(chosen.warm_up + chosen.rounds) * static_cast<std::uint64_t>(burst);
    for (std::size_t i = 0; i < pool.size(); ++i)
        check.add_wrong(pool.events(i) != total ? 1 : 0);
    for (std::size_t i = 0; i < chosen.sessions; i += stride)
        check.expect_last(i, writer.last_id());

    made.deliveries = pool.events() - events_before;
    const auto deliveries = static_cast<double>(made.deliveries);
    made.frame_bytes = static_cast<double>(pool.event_bytes() - bytes_before) / deliveries;
    made.cpu_us = static_cast<double>(after.cpu_ns - before.cpu_ns) / 1e3 / deliveries;
    made.user_us = (after.user_s - before.user_s) * 1e6 / deliveries;
    made.system_us = (after.system_s - before.system_s) * 1e6 / deliveries;
    made.switches_per_round =
        static_cast<double>(after.voluntary_switches - before.voluntary_switches) / chosen.rounds;
    made.session_rss_kb = (static_cast<double>(before.rss_bytes) - static_cast<double>(empty.rss_bytes)) /
                          1024 / static_cast<double>(chosen.sessions);
    made.delay = check.delay();
    made.wrong = check.wrong();
    return made;
}

std::string line_of(const options &chosen, const variant_result &result) {
    json_line line;
    line.add("bench", "fanout")
        .add("at", now_text())
        .add("who", result.who)
        .add("sessions", chosen.sessions)
        .add("burst", result.burst);
    line.add("rounds", chosen.rounds).add("deliveries", result.deliveries).add("seconds", result.seconds);
    line.add("frame_bytes", result.frame_bytes).add("cpu_us_per_delivery", result.cpu_us);
    line.add("user_us_per_delivery", result.user_us).add("system_us_per_delivery", result.system_us);
    line.add("voluntary_switches_per_round", result.switches_per_round);
    line.add("rss_kb_per_session", result.session_rss_kb);
    line.add("latency_p50_us", static_cast<double>(result.delay.percentile(50)) / 1e3);
    line.add("latency_p99_us", static_cast<double>(result.delay.percentile(99)) / 1e3);
    line.add("latency_p99_9_us", static_cast<double>(result.delay.percentile(99.9)) / 1e3);
    line.add("latency_max_us", static_cast<double>(result.delay.max()) / 1e3);
    line.add("commit_p50_us", static_cast<double>(result.commit.percentile(50)) / 1e3);
    line.add("wrong", result.wrong);
    return line.text();
}

std::vector<std::string> row_of(const variant_result &result) {
    const auto ms = [](std::uint64_t ns) { return fmt::format("{:.2f}", static_cast<double>(ns) / 1e6); };
    return {fmt::format("{}, {} a commit", result.who, result.burst),
            fmt::format("{}", result.deliveries),
            fmt::format("{:.2f}", result.cpu_us),
            fmt::format("{:.2f}+{:.2f}", result.user_us, result.system_us),
            fmt::format("{:.0f}", result.frame_bytes),
            ms(result.delay.percentile(50)),
            ms(result.delay.percentile(99)),
            ms(result.delay.percentile(99.9)),
            ms(result.commit.percentile(50)),
            fmt::format("{:.1f}", result.session_rss_kb),
            fmt::format("{}", result.wrong)};
}

void add_options(CLI::App &app, options &chosen) {
    add_relay_options(app, chosen.server.port, chosen.token, chosen.connection);
    app.add_option("--host", chosen.server.host, "where the server listens")->capture_default_str();
    app.add_option("--tokens", chosen.tokens_file,
                   "file with tokens of users, one a line: their sessions are measured, too");
    app.add_option("--server-pid", chosen.server_pid, "process whose CPU time is measured")->required();
    app.add_option("--sessions", chosen.sessions, "connections, each with one subscription")
        ->capture_default_str();
    app.add_option("--sampled", chosen.sampled, "sessions whose events are all looked at")
        ->capture_default_str();
    app.add_option("--rounds", chosen.rounds, "measured commits of each variant")->capture_default_str();
    app.add_option("--warm-up", chosen.warm_up, "commits before them")->capture_default_str();
    app.add_option("--burst", chosen.bursts, "rows in a commit; several make several variants")
        ->take_all()
        ->capture_default_str();
    app.add_option("--turns", chosen.turns, "so often each variant is measured; the best counts")
        ->check(CLI::Range(1, 99))
        ->capture_default_str();
    app.add_option("--output", chosen.output, "file for the JSON lines")->capture_default_str();
}

} // namespace

int main(int argc, char **argv) {
    CLI::App app{
        "CPU time of the server for each event delivered to each of many v0 sessions, and the delay."};
    options chosen;
    add_options(app, chosen);
    CLI11_PARSE(app, argc, argv);
    const auto target = [](const std::string &token) { return "/websocket?api_token=" + token; };
    chosen.server.target = target(chosen.token);
    try {
        std::vector<std::pair<std::string, std::vector<std::string>>> crowds{{"administrator", {}}};
        if (!chosen.tokens_file.empty()) {
            crowds.emplace_back("users", std::vector<std::string>());
            std::ifstream file(chosen.tokens_file);
            for (std::string line; std::getline(file, line);)
                crowds.back().second.push_back(target(line));
            if (crowds.back().second.empty())
                throw std::runtime_error("no tokens in " + chosen.tokens_file);
        }
        json_lines file(chosen.output);
        table shown({"variant", "deliveries", "CPU us", "user+system", "bytes", "p50 ms", "p99 ms",
                     "p99.9 ms", "commit ms", "KB/session", "wrong"});
        std::uint64_t wrong = 0;
        std::string ratios;
        for (const int burst : chosen.bursts) {
            // In turns, because a machine is faster at one time than at another; who goes first alternates.
            std::vector<std::vector<variant_result>> results(crowds.size());
            std::vector<double> ratio;
            for (int turn = 0; turn < chosen.turns; ++turn) {
                for (std::size_t i = 0; i < crowds.size(); ++i) {
                    const auto place = turn % 2 == 0 ? i : crowds.size() - 1 - i;
                    chosen.server.targets = crowds[place].second;
                    results[place].push_back(run(chosen, crowds[place].first, burst));
                    file.write(line_of(chosen, results[place].back()));
                    wrong += results[place].back().wrong;
                }
                ratio.push_back(results.back().back().cpu_us / results.front().back().cpu_us);
            }
            for (auto &all : results) {
                std::ranges::sort(all, {}, &variant_result::cpu_us);
                shown.add(row_of(all.front())); // the best: what else the machine does only adds
            }
            if (crowds.size() > 1)
                ratios += fmt::format("users to administrator, {} a commit: {:.2f} x (turn by turn {:.2f})\n",
                                      burst, results.back().front().cpu_us / results.front().front().cpu_us,
                                      fmt::join(ratio, ", "));
        }
        fmt::print("{} sessions, {} commits; CPU us is the server's, for each delivery\n\n", chosen.sessions,
                   chosen.rounds);
        shown.print();
        fmt::print("\n{}JSON lines: {}\n", ratios, chosen.output);
        return wrong == 0 ? 0 : 1;
    } catch (const std::exception &error) {
        fmt::print(stderr, "bench_fanout: {}\n", error.what());
        return 1;
    }
}
