// Subscribing: how many records a second clients that come without anything get, and how long a crowd that
// was cut off needs to go on where it was.

#include "tests/bench/log_rows.hpp"
#include "tests/bench/proc_stat.hpp"
#include "tests/bench/relay_options.hpp"
#include "tests/bench/report.hpp"
#include "tests/bench/status_probe.hpp"
#include "tests/bench/v1_text.hpp"
#include "tests/bench/ws_client.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <pqxx/nontransaction>

#include <charconv>
#include <chrono>
#include <exception>
#include <functional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace walcast::bench;
using namespace std::chrono_literals;

constexpr double cold_target = 10'000; // subscribes a second
constexpr double resume_target_s = 2;

struct options {
    ws_options server;
    std::string token;
    std::string connection;
    std::string management_token;
    pid_t server_pid = 0;
    std::size_t records = 10'000;
    std::size_t sessions = 100;
    std::size_t clients = 10'000;
    std::size_t changed = 1'000;
    int repetitions = 3;
    std::string output = "build/bench/subscribe.json";
};

/// What one crowd of subscribes took.
struct wave {
    std::string name;
    std::size_t subscribes = 0;
    double seconds = 0;
    double cpu_us = 0;    ///< of the relay, for each subscribe
    double snapshots = 0; ///< queries for records
    double lookups = 0;   ///< queries for what a user may read
    std::uint64_t wrong = 0;
    bool met = false;
};

class subscribe_bench {
  public:
    explicit subscribe_bench(options chosen)
        : chosen_(std::move(chosen))
        , connection_(chosen_.connection)
        , file_(chosen_.output) {
        chosen_.server.target = "/arvados/v1/events.ws?api_token=" + chosen_.token;
        chosen_.server.reply_bytes = 0; // whatever comes is looked at
        chosen_.server.watch_all = true;
    }

    /// Returns how many subscribes were not answered as they are due.
    std::uint64_t run() {
        make_records();
        warm_up();
        for (int turn = 0; turn < chosen_.repetitions; ++turn) {
            const auto first = static_cast<std::size_t>(turn + 1) * chosen_.records;
            cold(first);
            same(static_cast<std::size_t>(chosen_.repetitions + 1) * chosen_.records +
                 static_cast<std::size_t>(turn));
            resume();
        }
        fmt::print(
            "Targets: {:.0f} cold subscribes a second; {} clients resume in {} s, without a query.\n\n",
            cold_target, chosen_.clients, resume_target_s);
        shown_.print();
        fmt::print("\nJSON lines: {}\n", chosen_.output);
        return wrong_;
    }

  private:
    void make_records() {
        pqxx::nontransaction work(connection_);
        work.exec(
            fmt::format("insert into collections (uuid, owner_uuid, name, description, manifest_text, "
                        "created_at, updated_at,"
                        " current_version_uuid) select 'zzzzz-4zz18-' || lpad(n::text, 15, '0'),"
                        " 'zzzzz-tpzed-000000000000000', 'collection ' || n, repeat('what is in it ', 10),"
                        " repeat('. 930625b054ce894ac40596c3f5a0d947+33 0:33:md5sum.txt', 5), now(), now(),"
                        " 'zzzzz-4zz18-' || lpad(n::text, 15, '0') from generate_series(0, {}) as n on "
                        "conflict do nothing",
                        static_cast<std::size_t>(chosen_.repetitions + 1) * (chosen_.records + 1)));
        work.exec("analyze collections");
        work.exec("checkpoint");
    }

    // The relay opens its connections and learns what the table looks like.
    void warm_up() {
        ws_client_pool pool(chosen_.server);
        measure("", pool, 1, 1, [&](std::size_t) { pool.send(0, subscribe_to(0)); });
    }

    void cold(std::size_t first) {
        ws_client_pool pool(chosen_.server);
        const auto each = chosen_.records / chosen_.sessions;
        keep(measure("cold, distinct records", pool, chosen_.sessions, each * chosen_.sessions,
                     [&](std::size_t session) {
                         for (std::size_t i = 0; i < each; ++i)
                             pool.send(session, subscribe_to(first + session * each + i));
                     }),
             [](const wave &done) {
                 return static_cast<double>(done.subscribes) / done.seconds >= cold_target;
             });
    }

    void same(std::size_t number) {
        ws_client_pool pool(chosen_.server);
        const auto each = chosen_.records / chosen_.sessions;
        keep(measure("cold, one record", pool, chosen_.sessions, each * chosen_.sessions,
                     [&](std::size_t session) {
                         for (std::size_t i = 0; i < each; ++i)
                             pool.send(session,
                                       fmt::format(R"({{"op":"subscribe","id":"{}","topic":"record/{}"}})", i,
                                                   record_uuid(number)));
                     }),
             [](const wave &done) { return done.snapshots <= 4; }); // one for each shard
    }

    // All of them are cut off, some records change meanwhile, and all come back.
    void resume() {
        std::vector<std::string> tokens(chosen_.clients);
        {
            ws_client_pool pool(chosen_.server);
            measure(
                "", pool, chosen_.clients, chosen_.clients,
                [&](std::size_t session) { pool.send(session, subscribe_to(session % chosen_.records)); },
                &tokens);
        }
        pqxx::nontransaction(connection_)
            .exec(fmt::format("update collections set name = name || '.' where uuid < '{}'",
                              record_uuid(chosen_.changed)));
        ws_client_pool pool(chosen_.server);
        auto done =
            measure("resume from memory", pool, chosen_.clients, chosen_.clients, [&](std::size_t session) {
                pool.send(session, subscribe_to(session % chosen_.records,
                                                fmt::format(R"(,"after":"{}")", tokens[session])));
            });
        std::size_t due = 0;
        for (std::size_t i = 0; i < chosen_.clients; ++i)
            due += i % chosen_.records < chosen_.changed ? 1 : 0;
        done.wrong += changes_ > due ? changes_ - due : due - changes_;
        keep(done, [](const wave &of) {
            return of.seconds < resume_target_s && of.snapshots == 0 && of.lookups == 0;
        });
    }

    /// Opens the sessions, has each of them send, and waits until all subscribes are live. The time runs from
    /// the first subscribe to the last `live`.
    wave measure(const std::string &name, ws_client_pool &pool, std::size_t sessions, std::size_t subscribes,
                 const std::function<void(std::size_t)> &send, std::vector<std::string> *tokens = nullptr) {
        wave done{.name = name, .subscribes = subscribes};
        std::size_t live = 0, welcome = 0;
        changes_ = 0;
        pool.on_text([&](std::size_t session, std::string_view text) {
            if (is_op(text, "live")) {
                ++live;
                if (tokens)
                    (*tokens)[session] = text_of(text, "token");
            } else if (is_op(text, "change")) {
                ++changes_;
            } else if (is_op(text, "auth")) {
                ++welcome;
            } else if (!is_op(text, "snapshot") && !is_op(text, "hello") && !is_op(text, "ping")) {
                ++done.wrong;
                fmt::print(stderr, "unexpected: {:.200}\n", text);
            }
        });
        pool.open(sessions, 120s);
        wait(pool, [&] { return welcome >= sessions; });
        const auto metrics = read_metrics();
        const auto before = sample_process(chosen_.server_pid);
        const auto begin = now_ns();
        for (std::size_t i = 0; i < sessions; ++i) {
            send(i);
            if (i % 64 == 63)
                pool.poll(0ms);
        }
        wait(pool, [&] { return live >= subscribes; });
        done.seconds = static_cast<double>(now_ns() - begin) / 1e9;
        const auto after = sample_process(chosen_.server_pid);
        const auto later = read_metrics();
        done.cpu_us =
            static_cast<double>(after.cpu_ns - before.cpu_ns) / 1e3 / static_cast<double>(subscribes);
        done.snapshots = later.first - metrics.first;
        done.lookups = later.second - metrics.second;
        return done;
    }

    static void wait(ws_client_pool &pool, const std::function<bool()> &there) {
        const auto deadline = std::chrono::steady_clock::now() + 60s;
        while (!there()) {
            pool.poll(50ms);
            if (pool.closed() != 0)
                throw std::runtime_error(pool.failure());
            if (std::chrono::steady_clock::now() > deadline)
                throw std::runtime_error("not all answers came within a minute");
        }
    }

    /// Queries for records, and for what users may read, so far.
    std::pair<double, double> read_metrics() const {
        const auto text = http_get(chosen_.server.port, "/metrics", chosen_.management_token);
        const auto value = [&](const std::string &name) {
            const auto at = text.find("\n" + name + " ");
            double found = 0;
            if (at == std::string::npos)
                throw std::runtime_error("the relay has no metric " + name);
            const auto *begin = text.data() + at + name.size() + 2;
            std::from_chars(begin, text.data() + text.size(), found);
            return found;
        };
        return {value("walcast_snapshot_queries_total"), value("walcast_access_lookups_total")};
    }

    void keep(wave done, const std::function<bool(const wave &)> &target) {
        done.met = done.wrong == 0 && target(done);
        wrong_ += done.wrong;
        const auto rate = static_cast<double>(done.subscribes) / done.seconds;
        shown_.add({done.name, fmt::format("{}", done.subscribes), fmt::format("{:.2f}", done.seconds),
                    fmt::format("{:.0f}", rate), fmt::format("{:.1f}", done.cpu_us),
                    fmt::format("{:.0f}", done.snapshots), fmt::format("{:.0f}", done.lookups),
                    fmt::format("{}", done.wrong), done.met ? "yes" : "no"});
        json_line line;
        line.add("bench", "subscribe").add("at", now_text()).add("wave", done.name);
        line.add("subscribes", done.subscribes).add("seconds", done.seconds).add("subscribes_per_s", rate);
        line.add("cpu_us_per_subscribe", done.cpu_us).add("snapshot_queries", done.snapshots);
        line.add("access_lookups", done.lookups).add("wrong", done.wrong).add("target_met", done.met);
        file_.write(line.text());
    }

    options chosen_;
    pqxx::connection connection_;
    json_lines file_;
    table shown_{
        {"wave", "subscribes", "seconds", "a second", "CPU us", "queries", "lookups", "wrong", "target met"}};
    std::uint64_t changes_ = 0; ///< of the last measure()
    std::uint64_t wrong_ = 0;
};

void add_options(CLI::App &app, options &chosen) {
    add_relay_options(app, chosen.server.port, chosen.token, chosen.connection);
    add_management_token(app, chosen.management_token);
    app.add_option("--server-pid", chosen.server_pid, "process whose CPU time is measured")->required();
    app.add_option("--records", chosen.records, "cold subscribes, each to a record of its own")
        ->capture_default_str();
    app.add_option("--sessions", chosen.sessions, "connections that send them")->capture_default_str();
    app.add_option("--clients", chosen.clients, "connections that resume, with a subscription each")
        ->capture_default_str();
    app.add_option("--changed", chosen.changed, "records that changed while they were away")
        ->capture_default_str();
    app.add_option("--repetitions", chosen.repetitions, "of each wave")->capture_default_str();
    app.add_option("--output", chosen.output, "file for the JSON lines")->capture_default_str();
}

} // namespace

int main(int argc, char **argv) {
    CLI::App app{"How fast clients of protocol v1 get their records, and go on after they were cut off."};
    options chosen;
    add_options(app, chosen);
    CLI11_PARSE(app, argc, argv);
    try {
        return subscribe_bench(std::move(chosen)).run() == 0 ? 0 : 1;
    } catch (const std::exception &error) {
        fmt::print(stderr, "bench_subscribe: {}\n", error.what());
        return 1;
    }
}
