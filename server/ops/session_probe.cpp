#include "server/ops/session_probe.hpp"

#include "server/ops/metric.hpp"

namespace walcast {

session_probe::session_probe(prometheus::Registry &into)
    : events_in_(counter(into, "arvados_ws_events_in", "Events that the source has brought."))
    , events_out_(counter(into, "arvados_ws_events_out", "Events sent to clients."))
    , delay_(gauge(into, "arvados_ws_queue_delay",
                   "Seconds from the commit to the fan-out of the newest event."))
    , sinks_(gauge(into, "arvados_ws_sinks", "Sessions that may receive events."))
    , behind_(gauge(into, "arvados_ws_sinks_blocked",
                    "Sessions that are behind: their outbox is full. They block nobody."))
    , skipped_(prometheus::BuildCounter()
                   .Name("walcast_events_skipped_total")
                   .Help("Rows of logs that cannot be sent, by reason.")
                   .Register(into))
    , resets_(prometheus::BuildCounter()
                  .Name("walcast_resets_total")
                  .Help("Subscriptions that could not go on where their token says, by reason.")
                  .Register(into))
    , truncated_(counter(into, "walcast_events_truncated_total",
                         "Events sent without all of their properties, being too large."))
    , replayed_(counter(into, "walcast_events_replayed_total",
                        "Events sent to clients that asked with last_log_id or were behind."))
    , bad_requests_(counter(into, "walcast_bad_requests_total", "Client messages answered with status 400."))
    , refused_user_(refusals(into).Add({{"reason", "user"}}))
    , silenced_(counter(into, "walcast_sessions_silenced_total",
                        "Sessions whose token or user lost the right to read while connected."))
    , denied_(counter(into, "walcast_access_denials_total",
                      "Events kept from sessions whose filters match, as the user may not read the object."))
    , snapshot_queries_(counter(into, "walcast_snapshot_queries_total",
                                "Times that the database was asked for the newest state of records."))
    , snapshot_records_(counter(into, "walcast_snapshot_records_total", "Records that it was asked for.")) {
    // Each is there from the start, so that the first of its kind is seen to be counted.
    for (const auto *reason :
         {"expired", "epoch", "timeline", "ahead", "schema", "filter", "auth", "lagging"})
        resets_.Add({{"reason", reason}});
}

} // namespace walcast
