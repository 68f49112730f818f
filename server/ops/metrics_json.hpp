#pragma once

#include <prometheus/metric_family.h>
#include <string>
#include <vector>

namespace walcast {

/// Metrics as JSON, in the shape of Prometheus' protocol buffers as arvados-ws gives them: an array of
/// `{"name","help","type","metric":[{"label":[{"name","value"}],"gauge":{"value"}}]}`.
[[nodiscard]] std::string to_json(const std::vector<prometheus::MetricFamily> &families);

} // namespace walcast
