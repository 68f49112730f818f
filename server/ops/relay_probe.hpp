#pragma once

#include <cstdint>
#include <string>

#include <prometheus/gauge.h>
#include <prometheus/registry.h>

namespace walcast {

/// The gauges that are read when metrics are asked for: the source, the queues, the database connections.
class relay_probe {
  public:
    struct reading {
        std::uint64_t decoded, log_end, confirmed;
        std::uint64_t transactions, changes, reconnects, slots_lost;
        std::uint64_t streams, stream_memory, stream_disk, spilled, disk_full;
        std::uint64_t held, held_bytes, visibility_waits;
        std::int64_t held_us, visibility_waited_us;
        bool by_slot, ready, covered, waits_for_disk;
        std::size_t backlog_bytes;
        unsigned connections_busy, connections_idle;
    };

    relay_probe(prometheus::Registry &into, const std::string &config_sha256, double config_timestamp,
                unsigned queue_capacity, unsigned most_connections);

    void set(const reading &now);

  private:
    prometheus::Gauge &queue_length_;
    prometheus::Gauge &queue_capacity_;
    prometheus::Gauge &most_connections_;
    prometheus::Gauge &busy_;
    prometheus::Gauge &idle_;
    prometheus::Gauge &decoded_;
    prometheus::Gauge &log_end_;
    prometheus::Gauge &confirmed_;
    prometheus::Gauge &retained_;
    prometheus::Gauge &transactions_;
    prometheus::Gauge &changes_;
    prometheus::Gauge &reconnects_;
    prometheus::Gauge &slots_lost_;
    prometheus::Gauge &streams_;
    prometheus::Gauge &stream_memory_;
    prometheus::Gauge &stream_disk_;
    prometheus::Gauge &spilled_;
    prometheus::Gauge &disk_full_;
    prometheus::Gauge &waits_for_disk_;
    prometheus::Gauge &held_;
    prometheus::Gauge &held_bytes_;
    prometheus::Gauge &held_seconds_;
    prometheus::Gauge &visibility_waits_;
    prometheus::Gauge &visibility_seconds_;
    prometheus::Gauge &by_slot_;
    prometheus::Gauge &ready_;
    prometheus::Gauge &covered_;
};

} // namespace walcast
