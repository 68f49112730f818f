#pragma once

#include <CLI/CLI.hpp>

#include <cstdint>
#include <string>

namespace walcast::bench {

/// The options that run.sh gives to every benchmark; of those the user adds behind them the last counts.
inline void add_relay_options(CLI::App &app, std::uint16_t &port, std::string &token,
                              std::string &connection) {
    app.option_defaults()->take_last();
    app.add_option("--port", port, "where the relay listens on 127.0.0.1")->required();
    app.add_option("--token", token, "an administrator's token")->required()->envname("WALCAST_BENCH_TOKEN");
    app.add_option("--pg", connection, "libpq connection string of a superuser")->required();
}

/// For what the relay says of itself alone.
inline void add_management_token(CLI::App &app, std::string &token) {
    app.add_option("--management-token", token, "for /metrics and /status.json")
        ->required()
        ->envname("WALCAST_BENCH_MANAGEMENT_TOKEN");
}

} // namespace walcast::bench
