#include "server/ops/access_probe.hpp"

#include "server/ops/metric.hpp"

namespace walcast {

access_probe::access_probe(prometheus::Registry &into)
    : judged_(counter(into, "walcast_access_checks_total", "Events whose readers were worked out."))
    , loads_(counter(into, "walcast_access_loads_total",
                     "Users whose rows of materialized_permissions were read."))
    , lookups_(counter(into, "walcast_access_lookups_total",
                       "Objects that were read from the database to decide who may read them."))
    , retries_(counter(into, "walcast_access_retries_total",
                       "Answers that did not show what the stream had already told."))
    , guesses_(counter(into, "walcast_access_unknown_total",
                       "Objects of which it cannot be told what they were at an event's commit."))
    , changed_(gauge(into, "walcast_access_last_change_timestamp_seconds",
                     "When the last change of permissions that was applied had been committed."))
    , users_(gauge(into, "walcast_access_users", "Connected users whose grants are followed."))
    , origins_(gauge(into, "walcast_access_origins",
                     "Users whose rows they need: themselves, and whom they manage."))
    , entries_(gauge(into, "walcast_access_entries", "Targets in these rows."))
    , bytes_(gauge(into, "walcast_access_bytes", "Memory that these rows take.")) {}

void access_probe::held(std::size_t users, std::size_t origins, std::size_t entries, std::size_t bytes) {
    users_.Set(static_cast<double>(users));
    origins_.Set(static_cast<double>(origins));
    entries_.Set(static_cast<double>(entries));
    bytes_.Set(static_cast<double>(bytes));
}

} // namespace walcast
