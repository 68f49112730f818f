#pragma once

#include "db/query_pool.hpp"
#include "db/snapshot_reader.hpp"
#include "server/access_service.hpp"
#include "server/session/services.hpp"
#include "server/token_service.hpp"

#include <chrono>
#include <functional>

namespace walcast {

class shard;

/// What sessions ask of the database, answered by the query pool and brought back to the shard's thread.
class shard_services : public services {
  public:
    /// `request_position` is the source's.
    shard_services(shard &home, query_pool &queries, token_service &tokens, access_service &access,
                   snapshot_reader &records, std::chrono::milliseconds replay_window,
                   std::function<void(lsn)> request_position);

    void authenticate(std::string token, std::int64_t not_before_us,
                      std::function<void(const verdict &)> then) override;
    [[nodiscard]] std::shared_ptr<void> follow(const std::string &user_uuid,
                                               std::function<void(reader_id)> ready) override;
    void decide(reader_id who, std::vector<uuid_text> objects,
                std::function<void(std::vector<bool>)> then) override;
    [[nodiscard]] std::shared_ptr<void> watch(reader_id who, const uuid_text &object) override;
    [[nodiscard]] grants_watch watch_grants(const uuid_text &user) override;
    void read_logs(std::vector<log_id> ids, std::function<void(log_rows)> then) override;
    void scan_logs(log_scan what, std::function<void(log_rows)> then) override;
    void read_records(std::vector<uuid_text> objects, std::function<void(record_rows)> then) override;
    void after(std::chrono::milliseconds delay, std::function<void()> then) override;
    void barrier(lsn as_of, std::function<void()> then) override;

  private:
    /// Somebody waits for this position, which the stream may never bring: sees to it that it does.
    void wait_for(lsn as_of);
    void move_log();

    shard &home_;
    query_pool &queries_;
    token_service &tokens_;
    access_service &access_;
    snapshot_reader &records_;
    std::chrono::milliseconds replay_window_;
    std::function<void(lsn)> request_position_;
    lsn awaited_;                ///< the furthest position that somebody waits for
    bool looking_ = false;       ///< whether it has come is looked at soon
    bool looking_again_ = false; ///< and later
};

} // namespace walcast
