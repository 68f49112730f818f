#pragma once

#include "db/query_pool.hpp"
#include "db/snapshot_reader.hpp"
#include "server/access_service.hpp"
#include "server/config.hpp"
#include "server/coverage_watch.hpp"
#include "server/inherited_socket.hpp"
#include "server/net/shard.hpp"
#include "server/net/site.hpp"
#include "server/ops/net_probe.hpp"
#include "server/ops/relay_probe.hpp"
#include "server/ops/session_probe.hpp"
#include "server/ops/token_probe.hpp"
#include "server/remote/api_client.hpp"
#include "server/remote/token_validator.hpp"
#include "server/source_supervisor.hpp"
#include "server/token_service.hpp"

#include <memory>
#include <mutex>
#include <prometheus/registry.h>
#include <string>
#include <vector>

namespace walcast {

/// The whole relay, wired: source → shards → sessions. Objects are made in the order that data flows, and
/// stopped in reverse. Owned by serve(), which has the signals.
class relay : public site {
  public:
    relay(const config &settings, logger &log);
    ~relay() override;

    /// Listens and starts all threads; throws with one line when that cannot be. Returns the port. A socket
    /// that was inherited is used instead of one of our own.
    std::uint16_t start(std::vector<inherited_socket> inherited);
    /// Takes over what of a new configuration can be changed while running; throws for a certificate that is
    /// no good.
    void reload(const config &settings);
    /// Tells clients, lets what is queued reach them within the limit, confirms the slot, ends all threads.
    void stop(std::chrono::milliseconds limit);

    // For HTTP
    void check_database(std::function<void(std::function<void()>)> post,
                        std::function<void(std::string)> then) override;
    [[nodiscard]] std::string metrics() override;
    [[nodiscard]] std::string metrics_json() override;
    [[nodiscard]] std::string status() override;
    [[nodiscard]] bool standby() override { return source_.status().standby; }
    [[nodiscard]] std::string management_token() override;

  private:
    void distribute(batch next);
    void fill(std::vector<transaction_ptr> rows, lsn as_of, std::function<void()> handled);
    [[nodiscard]] bool overloaded() const;
    /// What was committed before this position is visible to the queries of every shard.
    [[nodiscard]] lsn settled() const;
    [[nodiscard]] std::size_t backlog() const;
    void read_probe();

    config settings_;
    logger &log_;
    mutable std::mutex settings_mutex_; ///< guards management_token_
    std::string management_token_;
    prometheus::Registry registry_;
    session_probe session_probe_;
    net_probe net_probe_;
    relay_probe relay_probe_;
    token_probe token_probe_;
    access_probe access_probe_;
    query_pool queries_;
    std::unique_ptr<api_client> api_;            ///< null: the configuration does not say where it is
    std::unique_ptr<token_validator> validator_; ///< likewise
    token_service tokens_;
    source_supervisor source_;
    access_service access_;
    record_classes classes_;
    snapshot_reader records_;
    admission door_;
    quota sessions_per_user_;
    coverage_watch coverage_;
    std::vector<std::unique_ptr<shard>> shards_;
    std::int64_t started_us_;
};

/// The libpq parameters that all connections use.
[[nodiscard]] std::string database_parameters(const config &settings);

} // namespace walcast
