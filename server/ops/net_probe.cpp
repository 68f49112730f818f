#include "server/ops/net_probe.hpp"

#include "server/ops/metric.hpp"

namespace walcast {

namespace {
prometheus::Gauge &sockets(prometheus::Registry &into) {
    auto &family = prometheus::BuildGauge()
                       .Name("arvados_ws_sockets")
                       .Help("Open WebSocket connections by protocol version.")
                       .Register(into);
    family.Add({{"version", "1"}});
    return family.Add({{"version", "0"}});
}
} // namespace

net_probe::net_probe(prometheus::Registry &into)
    : connections_(gauge(into, "walcast_connections", "Open connections, HTTP and WebSocket."))
    , refused_(refusals(into))
    , requests_(counter(into, "walcast_http_requests_total", "HTTP requests that are not upgrades."))
    , sockets_(sockets(into))
    , streams_(gauge(into, "walcast_event_streams", "Open streams of server-sent events."))
    , polls_(gauge(into, "walcast_latest_requests",
                   "Requests for the newest state of a record that are not answered yet."))
    , answers_(prometheus::BuildCounter()
                   .Name("walcast_latest_answers_total")
                   .Help("Answers to requests for the newest state of a record, by HTTP status.")
                   .Register(into)) {}

} // namespace walcast
