#include "server/ops/relay_probe.hpp"

#include "server/ops/metric.hpp"

namespace walcast {

namespace {
prometheus::Gauge &open_connections(prometheus::Registry &into, const char *inuse) {
    return prometheus::BuildGauge()
        .Name("arvados_ws_db_open_connections")
        .Help("Open database connections, idle (0) and in use (1).")
        .Register(into)
        .Add({{"inuse", inuse}});
}
} // namespace

relay_probe::relay_probe(prometheus::Registry &into, const std::string &config_sha256,
                         double config_timestamp, unsigned queue_capacity, unsigned most_connections)
    : queue_length_(gauge(into, "arvados_ws_queue_len", "Bytes of batches that shards have not handled yet."))
    , queue_capacity_(gauge(into, "arvados_ws_queue_cap", "API.WebsocketServerEventQueue, as configured."))
    , most_connections_(
          gauge(into, "arvados_ws_db_max_connections", "PostgreSQL.ConnectionPool, as configured."))
    , busy_(open_connections(into, "1"))
    , idle_(open_connections(into, "0"))
    , decoded_(gauge(into, "walcast_decoded_lsn_bytes", "Position up to which the log has been decoded."))
    , log_end_(gauge(into, "walcast_log_end_lsn_bytes", "End of the server's log, as last heard."))
    , confirmed_(gauge(into, "walcast_confirmed_lsn_bytes", "Position that the slot was told it may forget."))
    , retained_(gauge(into, "walcast_retained_wal_bytes",
                      "Log that the slot holds back for a restart of the relay."))
    , transactions_(gauge(into, "walcast_transactions", "Transactions read since the start."))
    , changes_(gauge(into, "walcast_changes", "Changes read since the start."))
    , reconnects_(gauge(into, "walcast_source_reconnects", "Reconnects of the source since the start."))
    , slots_lost_(gauge(into, "walcast_slots_lost", "Times that the slot was found lost since the start."))
    , streams_(gauge(into, "walcast_streams_in_progress",
                     "Large transactions that are being read while they are in progress."))
    , stream_memory_(gauge(into, "walcast_stream_memory_bytes", "What they hold in memory."))
    , stream_disk_(gauge(into, "walcast_stream_disk_bytes", "What they hold in temporary files."))
    , spilled_(gauge(into, "walcast_spilled_bytes", "Written to temporary files since the start."))
    , disk_full_(gauge(into, "walcast_spill_disk_full", "Times that the disk took nothing since the start."))
    , waits_for_disk_(gauge(into, "walcast_spill_waiting",
                            "1: the disk for temporary files takes nothing, so no changes are read."))
    , held_(gauge(into, "walcast_held_transactions",
                  "Transactions held until they are visible on the primary (WaitVisible)."))
    , held_bytes_(gauge(into, "walcast_held_bytes", "Their memory."))
    , held_seconds_(gauge(into, "walcast_held_seconds", "How long the first of them has been waited for."))
    , visibility_waits_(gauge(into, "walcast_visibility_waits",
                              "Transactions that were not visible when their turn came, since the start."))
    , visibility_seconds_(
          gauge(into, "walcast_visibility_wait_seconds", "How long all of them took together."))
    , by_slot_(gauge(into, "walcast_source_is_slot", "1: the slot is read; 0: the listener, or nothing yet."))
    , ready_(gauge(into, "walcast_ready", "1: the feed has been refilled."))
    , covered_(gauge(into, "walcast_covered", "1: the database sends all that is needed and no secrets.")) {
    queue_capacity_.Set(queue_capacity);
    most_connections_.Set(most_connections);
    prometheus::BuildGauge()
        .Name("arvados_config_source_timestamp_seconds")
        .Help("Modification time of the configuration file.")
        .Register(into)
        .Add({{"sha256", config_sha256}})
        .Set(config_timestamp);
}

void relay_probe::set(const reading &now) {
    const auto number = [](auto value) { return static_cast<double>(value); };
    queue_length_.Set(number(now.backlog_bytes));
    busy_.Set(now.connections_busy);
    idle_.Set(now.connections_idle);
    decoded_.Set(number(now.decoded));
    log_end_.Set(number(now.log_end));
    confirmed_.Set(number(now.confirmed));
    retained_.Set(now.by_slot && now.log_end > now.confirmed ? number(now.log_end - now.confirmed) : 0);
    transactions_.Set(number(now.transactions));
    changes_.Set(number(now.changes));
    reconnects_.Set(number(now.reconnects));
    slots_lost_.Set(number(now.slots_lost));
    streams_.Set(number(now.streams));
    stream_memory_.Set(number(now.stream_memory));
    stream_disk_.Set(number(now.stream_disk));
    spilled_.Set(number(now.spilled));
    disk_full_.Set(number(now.disk_full));
    waits_for_disk_.Set(now.waits_for_disk);
    held_.Set(number(now.held));
    held_bytes_.Set(number(now.held_bytes));
    held_seconds_.Set(number(now.held_us) / 1e6);
    visibility_waits_.Set(number(now.visibility_waits));
    visibility_seconds_.Set(number(now.visibility_waited_us) / 1e6);
    by_slot_.Set(now.by_slot);
    ready_.Set(now.ready);
    covered_.Set(now.covered);
}

} // namespace walcast
