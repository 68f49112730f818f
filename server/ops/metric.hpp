#pragma once

#include <string>

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

namespace walcast {

/// A counter or gauge without labels. Only probes call these: they are where metrics get their names.
[[nodiscard]] inline prometheus::Counter &counter(prometheus::Registry &into, const std::string &name,
                                                  const std::string &help) {
    return prometheus::BuildCounter().Name(name).Help(help).Register(into).Add({});
}

[[nodiscard]] inline prometheus::Gauge &gauge(prometheus::Registry &into, const std::string &name,
                                              const std::string &help) {
    return prometheus::BuildGauge().Name(name).Help(help).Register(into).Add({});
}

/// Both sides of the door count here: those who are not let in, and those who are shown out once it is known
/// who they are.
[[nodiscard]] inline prometheus::Family<prometheus::Counter> &refusals(prometheus::Registry &into) {
    return prometheus::BuildCounter()
        .Name("walcast_connections_refused_total")
        .Help("Connections refused, by the limit that was reached: connections, descriptors, address, user.")
        .Register(into);
}

} // namespace walcast
