#pragma once

#include "db/query_pool.hpp"
#include "db/source.hpp"
#include "db/visibility_gate.hpp"
#include "server/config.hpp"
#include "server/ops/log.hpp"

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace walcast {

class slot_source;

/// Chooses the source, as soon as the database can be asked, and keeps it: the slot where it can be used,
/// otherwise the listener with the reason. A database that is away, or is none of Arvados', is asked again
/// and again. Then tells a slot source, through another connection than its own, how far the log has got: the
/// end-to-end watchdog. (A listener has no positions to compare, and asks by itself whether it is alive.)
class source_supervisor {
  public:
    source_supervisor(const config &settings, std::string connection, query_pool &queries, batch_sink sink,
                      std::function<bool()> overloaded, std::function<lsn()> settled, logger &log);
    ~source_supervisor();
    source_supervisor(const source_supervisor &) = delete;
    source_supervisor &operator=(const source_supervisor &) = delete;

    void start();
    void stop();

    // From any thread; before there is a source they do nothing, or tell why there is none.
    [[nodiscard]] source_status status() const;
    void resume();
    void request_position(lsn target);
    void retain(std::size_t wal_bytes, std::chrono::milliseconds age);

  private:
    void choose();
    void watch();
    [[nodiscard]] std::unique_ptr<source> make_slot_source();
    /// The source, if it is a slot.
    [[nodiscard]] slot_source *slot() const;

    config settings_;
    std::string connection_;
    query_pool &queries_;
    batch_sink sink_;
    std::function<bool()> overloaded_;
    std::function<lsn()> settled_;
    logger &log_;
    mutable std::mutex mutex_; ///< guards the rest
    std::condition_variable wake_;
    bool stopping_ = false;
    source_status before_;                  ///< the status while there is no source
    std::unique_ptr<visibility_gate> gate_; ///< behind a slot, if it is wanted
    std::unique_ptr<source> source_;
    std::thread thread_;
};

} // namespace walcast
