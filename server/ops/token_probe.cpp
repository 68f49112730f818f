#include "server/ops/token_probe.hpp"

#include "server/ops/metric.hpp"

namespace walcast {

token_probe::token_probe(prometheus::Registry &into)
    : lookups_(prometheus::BuildCounter()
                   .Name("walcast_token_lookups_total")
                   .Help("Tokens looked up, by what was found: valid, invalid, unknown.")
                   .Register(into))
    , remembered_(counter(into, "walcast_token_lookups_remembered_total",
                          "Tokens asked for whose answer was still remembered."))
    , requests_(prometheus::BuildCounter()
                    .Name("walcast_remote_requests_total")
                    .Help("Requests to the Arvados API, by their end: answered, refused (401, 403), error "
                          "(another status), failed (no answer), timeout, busy (too many were waiting).")
                    .Register(into)) {
    // A rate needs the zero before the first one.
    for (const auto *result : {"valid", "invalid", "unknown"})
        lookups_.Add({{"result", result}});
    for (const auto *end : {"answered", "refused", "error", "failed", "timeout", "busy"})
        requests_.Add({{"result", end}});
}

} // namespace walcast
