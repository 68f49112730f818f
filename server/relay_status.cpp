// What the relay says of itself: /metrics and /status.json.

#include "server/ops/clock.hpp"
#include "server/ops/metrics_json.hpp"
#include "server/relay.hpp"

#include <algorithm>
#include <prometheus/text_serializer.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

namespace walcast {

void relay::read_probe() {
    const auto source = source_.status();
    const auto connections = queries_.connections();
    relay_probe_.set({.decoded = source.decoded.value,
                      .log_end = source.log_end.value,
                      .confirmed = source.confirmed.value,
                      .transactions = source.transactions,
                      .changes = source.changes,
                      .reconnects = source.reconnects,
                      .slots_lost = source.slots_lost,
                      .streams = source.streams.in_progress,
                      .stream_memory = source.streams.memory_bytes,
                      .stream_disk = source.streams.disk_bytes,
                      .spilled = source.streams.spilled_bytes,
                      .disk_full = source.streams.disk_full,
                      .held = source.held.transactions,
                      .held_bytes = source.held.bytes,
                      .visibility_waits = source.held.waits,
                      .held_us = source.held.oldest_us,
                      .visibility_waited_us = source.held.waited_us,
                      .by_slot = source.kind == "slot",
                      .ready = source.ready,
                      .covered = coverage_.covered(),
                      .waits_for_disk = source.streams.waiting,
                      .backlog_bytes = backlog(),
                      .connections_busy = connections.busy,
                      .connections_idle = connections.idle});
}

std::string relay::metrics() {
    read_probe();
    return prometheus::TextSerializer().Serialize(registry_.Collect());
}

std::string relay::metrics_json() {
    read_probe();
    return to_json(registry_.Collect());
}

std::string relay::status() {
    const auto source = source_.status();
    rapidjson::StringBuffer buffer;
    rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
    const auto text = [&](const char *key, const std::string &value) {
        writer.Key(key);
        writer.String(value.data(), static_cast<rapidjson::SizeType>(value.size()));
    };
    const auto number = [&](const char *key, std::uint64_t value) {
        writer.Key(key);
        writer.Uint64(value);
    };
    writer.StartObject();
    text("server", "walcast/" WALCAST_VERSION);
    number("uptime_s", static_cast<std::uint64_t>(
                           std::max<std::int64_t>(unix_microseconds() - started_us_, 0) / 1'000'000));
    number("shards", shards_.size());
    number("backlog_bytes", backlog());
    text("coverage_problem", coverage_.problem());
    // Without a slot nothing tells when permissions change.
    number("permissions_age_s", source.kind == "listener" ? access_service::listener_age_s : 0);
    writer.Key("source");
    writer.StartObject();
    text("kind", source.kind);
    text("reason", source.reason);
    text("state", source.state);
    text("problem", source.problem);
    text("system_identifier", source.system_identifier);
    number("timeline", source.timeline);
    text("decoded", to_string(source.decoded));
    text("log_end", to_string(source.log_end));
    text("confirmed", to_string(source.confirmed));
    number("retained_wal_bytes", source.kind == "slot" && source.log_end > source.confirmed
                                     ? source.log_end.value - source.confirmed.value
                                     : 0);
    number("transactions", source.transactions);
    number("changes", source.changes);
    number("reconnects", source.reconnects);
    number("slots_lost", source.slots_lost);
    number("epoch", source.epoch);
    number("caught_up", source.caught_up);
    writer.Key("max_slot_wal_keep_size");
    if (source.slot_keep_bytes)
        writer.Uint64(*source.slot_keep_bytes);
    else
        writer.Null();
    writer.Key("streams");
    writer.StartObject();
    number("in_progress", source.streams.in_progress);
    number("aborted", source.streams.aborted);
    number("memory_bytes", source.streams.memory_bytes);
    number("disk_bytes", source.streams.disk_bytes);
    number("spilled_bytes", source.streams.spilled_bytes);
    number("disk_full", source.streams.disk_full);
    writer.EndObject();
    writer.Key("held");
    writer.StartObject();
    number("transactions", source.held.transactions);
    number("bytes", source.held.bytes);
    number("for_ms", static_cast<std::uint64_t>(source.held.oldest_us / 1'000));
    number("waits", source.held.waits);
    writer.EndObject();
    writer.Key("ready");
    writer.Bool(source.ready);
    writer.Key("standby");
    writer.Bool(source.standby);
    writer.EndObject();
    writer.EndObject();
    return std::string(buffer.GetString(), buffer.GetSize()) + "\n";
}

} // namespace walcast
