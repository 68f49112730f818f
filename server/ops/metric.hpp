#pragma once

#include <string>

#include <prometheus/counter.h>
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

} // namespace walcast
