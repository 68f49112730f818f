#pragma once

#include <cstddef>
#include <cstdint>

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

namespace walcast {

/// What the metrics tell of who may read what. Safe from any thread.
class access_probe {
  public:
    explicit access_probe(prometheus::Registry &into);

    /// Events whose readers were worked out.
    void judged(std::uint64_t count) { judged_.Increment(static_cast<double>(count)); }
    /// Users' rows of materialized_permissions that were asked for.
    void loaded(std::uint64_t count) { loads_.Increment(static_cast<double>(count)); }
    /// Objects that were asked for, as the stream had not told of them.
    void looked_up(std::uint64_t count) { lookups_.Increment(static_cast<double>(count)); }
    /// Answers that were older than the stream.
    void asked_again(std::uint64_t count) { retries_.Increment(static_cast<double>(count)); }
    /// Objects whose facts at the position nobody knows any more: taken for what they are a little later.
    void guessed(std::uint64_t count) { guesses_.Increment(static_cast<double>(count)); }
    /// When the last change of permissions was committed, in seconds since 1970.
    void changed(double at) { changed_.Set(at); }
    void held(std::size_t users, std::size_t origins, std::size_t entries, std::size_t bytes);

  private:
    prometheus::Counter &judged_;
    prometheus::Counter &loads_;
    prometheus::Counter &lookups_;
    prometheus::Counter &retries_;
    prometheus::Counter &guesses_;
    prometheus::Gauge &changed_;
    prometheus::Gauge &users_;
    prometheus::Gauge &origins_;
    prometheus::Gauge &entries_;
    prometheus::Gauge &bytes_;
};

} // namespace walcast
