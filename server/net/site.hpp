#pragma once

#include <functional>
#include <string>

namespace walcast {

/// What the HTTP side of a shard asks of the rest of the program. Called on any shard's thread.
class site {
  public:
    virtual ~site() = default;

    /// Asks the database `select 1`; `then` gets what is wrong with it, or an empty text, on the caller's
    /// shard.
    virtual void check_database(std::function<void(std::function<void()>)> post,
                                std::function<void(std::string)> then) = 0;
    /// Prometheus' text format.
    [[nodiscard]] virtual std::string metrics() = 0;
    /// The same as JSON.
    [[nodiscard]] virtual std::string metrics_json() = 0;
    /// The body of /status.json.
    [[nodiscard]] virtual std::string status() = 0;
    /// Another relay reads the database: clients are to go there.
    [[nodiscard]] virtual bool standby() = 0;
    /// Empty if management endpoints are disabled.
    [[nodiscard]] virtual std::string management_token() = 0;
};

} // namespace walcast
