// Ingest: how fast the relay takes a stretch of WAL from its slot, against pg_recvlogical on the same
// stretch.

#include "tests/bench/drain.hpp"
#include "tests/bench/log_rows.hpp"
#include "tests/bench/relay_options.hpp"
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
    std::size_t sessions; ///< connected to the relay
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
        run(scenario{"single-row transactions", write_shape::single_rows, chosen_.single_rows, 1});
        run(scenario{"one transaction", write_shape::one_transaction, chosen_.transaction_rows, 1});
        run(scenario{"changes nobody wants", write_shape::unwanted, chosen_.unwanted_rows, 0});
        run(scenario{"changes nobody wants", write_shape::unwanted, chosen_.unwanted_rows,
                     chosen_.idle_sessions});
        print();
        return wrong_;
    }

  private:
    static constexpr auto base_slot = "bench_base";
    static constexpr auto slot_limit = std::chrono::seconds{5};

    void run(const scenario &what) {
        if (what.rows == 0)
            return;
        fmt::print(stderr, "{}, {} rows, {} sessions\n", what.name, what.rows, what.sessions);
        prepare(what.shape);
        series received;
        series relayed;
        for (int i = 0; i < chosen_.repetitions; ++i) {
            held_relay relay(chosen_.setup, slots_, what.sessions);
            options_ = relay.options();
            const wal_stretch stretch = write(what);
            // Which one goes first alternates, so that a drift of the machine hits both.
            const bool relay_first = i % 2 != 0;
            if (relay_first)
                add(what, relayed, relay.drain(stretch), true);
            add(what, received, drain_by_recvlogical(chosen_.setup, slots_, options_, stretch), false);
            if (!relay_first)
                add(what, relayed, relay.drain(stretch), true);
        }
        slots_.drop(base_slot, slot_limit);
        summarize(what, received, relayed);
    }

    // What both readers read: from a slot made now to now.
    wal_stretch write(const scenario &what) {
        slots_.drop(base_slot, slot_limit);
        slots_.create(base_slot);
        wal_stretch made{.slot = base_slot, .rows = what.rows};
        const std::int64_t last = write_rows(connection_, what.shape, what.rows);
        if (what.shape != write_shape::unwanted)
            made.last_id = last;
        made.end = slots_.current_lsn();
        write_rows(connection_, write_shape::single_rows, 1);
        return made;
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

    void add(const scenario &what, series &to, const drain_result &result, bool ours) {
        const std::string_view reader = ours ? "walcast" : "pg_recvlogical";
        to.drains.push_back(result);
        wrong_ += result.wrong;
        const double rate = static_cast<double>(what.rows) / result.seconds;
        fmt::print(stderr, "  {}: {:.2f} s, {:.0f} rows/s\n", reader, result.seconds, rate);
        json_line line;
        line.add("bench", "ingest").add("kind", "drain").add("at", now_text()).add("scenario", what.name);
        line.add("sessions", what.sessions).add("reader", reader).add("rows", what.rows);
        line.add("seconds", result.seconds).add("rows_per_s", rate);
        if (ours) {
            line.add("cpu_us_per_row", result.cpu_us_per_row).add("sender_busy", result.sender_busy);
            line.add("peak_rss_mb", result.peak_rss_mb).add("wrong", result.wrong);
            if (result.decoded_seconds)
                line.add("decoded_seconds", *result.decoded_seconds);
        }
        file_.write(line.text());
    }

    void summarize(const scenario &what, const series &received, const series &relayed) {
        const auto rows = static_cast<double>(what.rows);
        const double base = received.middle(&drain_result::seconds);
        const double seconds = relayed.middle(&drain_result::seconds);
        // Of each pair that read the same stretch one after the other: a drift of the machine cancels out.
        std::vector<double> ratios;
        for (std::size_t i = 0; i < received.drains.size(); ++i)
            ratios.push_back(received.drains[i].seconds / relayed.drains[i].seconds);
        const double ratio = median(ratios);
        const double cpu = relayed.middle(&drain_result::cpu_us_per_row);
        const double busy = relayed.middle(&drain_result::sender_busy);
        const double rss = relayed.most(&drain_result::peak_rss_mb);
        const bool met =
            what.shape == write_shape::unwanted ? cpu <= unwanted_target_us : ratio >= ratio_target;
        shown_.add({what.name, fmt::format("{}", what.rows), fmt::format("{}", what.sessions),
                    fmt::format("{:.0f}", rows / base), fmt::format("{:.0f}", rows / seconds),
                    fmt::format("{:.2f}", ratio), fmt::format("{:.2f}", cpu),
                    fmt::format("{:.0f}%", 100 * busy), fmt::format("{:.0f}", rss),
                    fmt::format("{}", relayed.wrong()), met ? "yes" : "no"});
        json_line line;
        line.add("bench", "ingest").add("kind", "summary").add("at", now_text()).add("scenario", what.name);
        line.add("rows", what.rows).add("sessions", what.sessions).add("repetitions", chosen_.repetitions);
        line.add("recvlogical_rows_per_s", rows / base)
            .add("walcast_rows_per_s", rows / seconds)
            .add("ratio", ratio);
        line.add("cpu_us_per_row", cpu).add("sender_busy", busy).add("peak_rss_mb", rss);
        line.add("wrong", relayed.wrong()).add("target_met", met);
        file_.write(line.text());
    }

    void print() const {
        fmt::print("Plugin options of both:");
        for (const auto &[name, value] : options_)
            fmt::print(" {} '{}'", name, value);
        fmt::print("\nMedians of {} drains. Targets: ratio >= {}; a change nobody wants <= {} us.\n\n",
                   chosen_.repetitions, ratio_target, unwanted_target_us);
        shown_.print();
        fmt::print("\nJSON lines: {}\n", chosen_.output);
    }

    options chosen_;
    pqxx::connection connection_;
    slot_admin slots_;
    json_lines file_;
    plugin_options options_;
    table shown_{{"scenario", "rows", "sessions", "pg_recvlogical/s", "walcast/s", "ratio", "CPU us/row",
                  "sender", "peak MB", "wrong", "target met"}};
    std::uint64_t wrong_ = 0;
};

void add_options(CLI::App &app, options &chosen) {
    drain_setup &setup = chosen.setup;
    add_relay_options(app, setup.port, setup.token, setup.connection);
    add_management_token(app, setup.management_token);
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
    app.add_option("relay", setup.relay, "command that starts the relay, after --")->take_all()->required();
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
