#pragma once

#include "db/query_pool.hpp"
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
                   std::chrono::milliseconds replay_window, std::function<void(lsn)> request_position);

    void authenticate(std::string token, std::int64_t not_before_us,
                      std::function<void(const verdict &)> then) override;
    [[nodiscard]] std::shared_ptr<void> follow(const std::string &user_uuid,
                                               std::function<void(reader_id)> ready) override;
    void decide(reader_id who, std::vector<uuid_text> objects,
                std::function<void(std::vector<bool>)> then) override;
    void read_logs(std::vector<log_id> ids, std::function<void(log_rows)> then) override;
    void scan_logs(log_scan what, std::function<void(log_rows)> then) override;
    void barrier(lsn as_of, std::function<void()> then) override;

  private:
    shard &home_;
    query_pool &queries_;
    token_service &tokens_;
    access_service &access_;
    std::chrono::milliseconds replay_window_;
    std::function<void(lsn)> request_position_;
};

} // namespace walcast
