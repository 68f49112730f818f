#pragma once

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/registry.h>
#include <string>
#include <string_view>

namespace walcast {

/// What looking tokens up tells the metrics. Safe from any thread.
class token_probe {
  public:
    explicit token_probe(prometheus::Registry &into);

    /// A question about a token was answered: `finding` is valid, invalid or unknown.
    void answered(std::string_view finding) { lookups_.Add({{"result", std::string(finding)}}).Increment(); }
    /// The same from memory.
    void remembered() { remembered_.Increment(); }
    /// A request to the Arvados API came to this end: answered, refused, error, failed, timeout, busy.
    void requested(std::string_view end) { requests_.Add({{"result", std::string(end)}}).Increment(); }

  private:
    prometheus::Family<prometheus::Counter> &lookups_;
    prometheus::Counter &remembered_;
    prometheus::Family<prometheus::Counter> &requests_;
};

} // namespace walcast
