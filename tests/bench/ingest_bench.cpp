// Ingest: how fast the relay takes a stretch of WAL from its slot, against pg_recvlogical on the same
// stretch.

#include "tests/bench/drain.hpp"
#include "tests/bench/log_rows.hpp"
#include "tests/bench/report.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <pqxx/nontransaction>

#include <algorithm>
#include <exception>

namespace {

using namespace walcast::bench;

constexpr double ratio_target = 0.9; // of pg_recvlogical's rate
constexpr double unwanted_target_us = 2;

struct options {
    drain_setup setup;
    std::int64_t single_rows = 200'000;
    std::int64_t transaction_rows = 300'000;
    std::int64_t unwanted_rows = 300'000;
    std::size_t idle_sessions = 1000;
    int repetitions = 3;
    std::string output = "build/bench/ingest.json";
};

struct scenario {
    std::string name;
    write_shape shape;
    std::int64_t rows;
    std::vector<std::size_t> sessions; ///< one series of drains by the relay for each
};

/// What the repetitions of one reader gave.
struct series {
    std::vector<drain_result> drains;

    [[nodiscard]] double middle(double drain_result::*member) const {
        std::vector<double> values;
        for (const drain_result &each : drains)
            values.push_back(each.*member);
        return median(values);
    }
    [[nodiscard]] double most(double drain_result::*member) const {
        double found = 0;
        for (const drain_result &each : drains)
            found = std::max(found, each.*member);
        return found;
    }
    [[nodiscard]] std::uint64_t wrong() const {
        std::uint64_t sum = 0;
        for (const drain_result &each : drains)
            sum += each.wrong;
        return sum;
    }
};

/// Runs the scenarios one after the other and keeps the figures.
class ingest_bench {
  public:
    explicit ingest_bench(options chosen)
        : chosen_{std::move(chosen)}
        , connection_{chosen_.setup.connection}
        , slots_{connection_}
        , file_{chosen_.output} {}

    /// Returns how many events were lost, repeated or out of order.
    std::uint64_t run() {
        slots_.drop(base_slot, std::chrono::seconds{5});
        slots_.create(base_slot);
        chosen_.setup.options = learn_options(chosen_.setup, slots_, base_slot);
        slots_.drop(base_slot, std::chrono::seconds{5});

        run(scenario{"single-row transactions", write_shape::single_rows, chosen_.single_rows, {1}});
        run(scenario{"one transaction", write_shape::one_transaction, chosen_.transaction_rows, {1}});
        run(scenario{"changes nobody wants",
                     write_shape::unwanted,
                     chosen_.unwanted_rows,
                     {0, chosen_.idle_sessions}});
        print();
        return wrong_;
    }

  private:
    static constexpr auto base_slot = "bench_base";

    void run(const scenario &what) {
        if (what.rows == 0)
            return;
        const bool events = what.shape != write_shape::unwanted;
        fmt::print(stderr, "{}: writing {} rows\n", what.name, what.rows);
        prepare(what.shape);
        slots_.create(base_slot);
        wal_stretch stretch{.slot = base_slot, .rows = what.rows};
        const std::int64_t last = write_rows(connection_, what.shape, what.rows);
        if (events)
            stretch.last_id = last;
        stretch.end = slots_.current_lsn();
        write_rows(connection_, write_shape::single_rows, 1);

        // Not counted: brings the WAL into memory for all that follow.
        static_cast<void>(drain_by_recvlogical(chosen_.setup, slots_, stretch));
        series received;
        std::vector<series> relayed(what.sessions.size());
        for (int i = 0; i < chosen_.repetitions; ++i) {
            // Which one goes first alternates, so that a drift of the machine hits both.
            if (i % 2 == 0)
                add(what, received, drain_by_recvlogical(chosen_.setup, slots_, stretch), "pg_recvlogical",
                    0);
            for (std::size_t j = 0; j < what.sessions.size(); ++j)
                add(what, relayed[j], drain_by_relay(chosen_.setup, slots_, stretch, what.sessions[j]),
                    "walcast", what.sessions[j]);
            if (i % 2 != 0)
                add(what, received, drain_by_recvlogical(chosen_.setup, slots_, stretch), "pg_recvlogical",
                    0);
        }
        slots_.drop(base_slot, std::chrono::seconds{5});
        summarize(what, received, relayed);
    }

    // `collections` needs rows to update, written before the slot exists.
    void prepare(write_shape shape) {
        pqxx::nontransaction work(connection_);
        if (shape == write_shape::unwanted)
            work.exec("insert into collections (uuid, owner_uuid, name, created_at, updated_at)"
                      " select 'zzzzz-4zz18-' || lpad(n::text, 15, '0'), 'zzzzz-tpzed-000000000000000',"
                      " 'collection ' || n, now() at time zone 'UTC', now() at time zone 'UTC'"
                      " from generate_series(0, 2999) as n on conflict do nothing");
        work.exec("checkpoint");
    }

    void add(const scenario &what, series &to, const drain_result &result, std::string_view reader,
             std::size_t sessions) {
        to.drains.push_back(result);
        wrong_ += result.wrong;
        const double rate = static_cast<double>(what.rows) / result.seconds;
        fmt::print(stderr, "  {}: {:.2f} s, {:.0f} rows/s\n", reader, result.seconds, rate);
        json_line line;
        line.add("bench", "ingest").add("kind", "drain").add("at", now_text()).add("scenario", what.name);
        line.add("reader", reader)
            .add("rows", what.rows)
            .add("seconds", result.seconds)
            .add("rows_per_s", rate);
        if (reader == "walcast") {
            line.add("sessions", sessions).add("cpu_us_per_row", result.cpu_us_per_row);
            line.add("sender_busy", result.sender_busy).add("peak_rss_mb", result.peak_rss_mb);
            if (result.decoded_seconds)
                line.add("decoded_seconds", *result.decoded_seconds);
            line.add("wrong", result.wrong);
        }
        file_.write(line.text());
    }

    void summarize(const scenario &what, const series &received, const std::vector<series> &relayed) {
        const double base = received.middle(&drain_result::seconds);
        const auto rate = [&what](double seconds) {
            return fmt::format("{:.0f}", static_cast<double>(what.rows) / seconds);
        };
        shown_.add({what.name, fmt::format("{}", what.rows), "pg_recvlogical", fmt::format("{:.2f}", base),
                    rate(base)});
        for (std::size_t i = 0; i < relayed.size(); ++i) {
            const series &ours = relayed[i];
            const double seconds = ours.middle(&drain_result::seconds);
            const double ratio = base / seconds;
            const double cpu = ours.middle(&drain_result::cpu_us_per_row);
            const double rss = ours.most(&drain_result::peak_rss_mb);
            const bool met =
                what.shape == write_shape::unwanted ? cpu <= unwanted_target_us : ratio >= ratio_target;
            shown_.add({what.name, fmt::format("{}", what.rows),
                        fmt::format("walcast, {} sessions", what.sessions[i]), fmt::format("{:.2f}", seconds),
                        rate(seconds), fmt::format("{:.2f}", ratio), fmt::format("{:.2f}", cpu),
                        fmt::format("{:.0f}%", 100 * ours.middle(&drain_result::sender_busy)),
                        fmt::format("{:.0f}", rss), fmt::format("{}", ours.wrong()), met ? "yes" : "no"});
            json_line line;
            line.add("bench", "ingest")
                .add("kind", "summary")
                .add("at", now_text())
                .add("scenario", what.name);
            line.add("rows", what.rows)
                .add("repetitions", chosen_.repetitions)
                .add("sessions", what.sessions[i]);
            line.add("recvlogical_rows_per_s", static_cast<double>(what.rows) / base);
            line.add("walcast_rows_per_s", static_cast<double>(what.rows) / seconds).add("ratio", ratio);
            line.add("cpu_us_per_row", cpu)
                .add("peak_rss_mb", rss)
                .add("wrong", ours.wrong())
                .add("target_met", met);
            file_.write(line.text());
        }
    }

    void print() const {
        fmt::print("Plugin options of both:");
        for (const auto &[name, value] : chosen_.setup.options)
            fmt::print(" {} '{}'", name, value);
        fmt::print("\nMedians of {} drains of the same WAL. Targets: ratio >= {}; a change nobody wants <= "
                   "{} us.\n\n",
                   chosen_.repetitions, ratio_target, unwanted_target_us);
        shown_.print();
        fmt::print("\nJSON lines: {}\n", chosen_.output);
    }

    options chosen_;
    pqxx::connection connection_;
    slot_admin slots_;
    json_lines file_;
    table shown_{{"scenario", "rows", "reader", "seconds", "rows/s", "ratio", "CPU us/row", "sender",
                  "peak MB", "wrong", "target met"}};
    std::uint64_t wrong_ = 0;
};

void add_options(CLI::App &app, options &chosen) {
    drain_setup &setup = chosen.setup;
    app.add_option("--pg", setup.connection, "libpq connection string of a superuser")->required();
    app.add_option("--port", setup.port, "where the relay listens on 127.0.0.1")->required();
    app.add_option("--token", setup.token, "an administrator's token")
        ->required()
        ->envname("WALCAST_BENCH_TOKEN");
    app.add_option("--management-token", setup.management_token, "for /status.json")
        ->required()
        ->envname("WALCAST_BENCH_MANAGEMENT_TOKEN");
    app.add_option("--slot", setup.slot, "the relay's slot; dropped and made anew")->capture_default_str();
    app.add_option("--publication", setup.publication, "the relay's publication")->capture_default_str();
    app.add_option("--pg-bin", setup.pg_bin, "folder of pg_recvlogical")->required();
    app.add_option("--single", chosen.single_rows, "single-row transactions; 0 leaves them out")
        ->capture_default_str();
    app.add_option("--rows", chosen.transaction_rows, "rows of the one transaction; 0 leaves it out")
        ->capture_default_str();
    app.add_option("--unwanted", chosen.unwanted_rows, "changes nobody wants; 0 leaves them out")
        ->capture_default_str();
    app.add_option("--idle-sessions", chosen.idle_sessions, "sessions that do not want them")
        ->capture_default_str();
    app.add_option("--repetitions", chosen.repetitions, "drains by each reader")->capture_default_str();
    app.add_option("--log", setup.log_path, "file for what the relay says")
        ->default_val("build/bench/relay.log");
    app.add_option("--output", chosen.output, "file for the JSON lines")->capture_default_str();
    app.add_option("relay", setup.relay, "command that starts the relay, after --")->required();
}

} // namespace

int main(int argc, char **argv) {
    CLI::App app{
        "Rate of the relay's slot source against pg_recvlogical, on the same WAL, in a database of its own."};
    options chosen;
    add_options(app, chosen);
    CLI11_PARSE(app, argc, argv);
    try {
        return ingest_bench(std::move(chosen)).run() == 0 ? 0 : 1;
    } catch (const std::exception &error) {
        fmt::print(stderr, "bench_ingest: {}\n", error.what());
        return 1;
    }
}
