#pragma once

#include <cstdint>
#include <string_view>

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

namespace walcast {

/// What sessions tell the metrics: verbs, so that no other code knows a metric's name. Safe from any thread;
/// the hub adds up a batch and calls once.
class session_probe {
  public:
    explicit session_probe(prometheus::Registry &into);

    void events_in(std::uint64_t count) { events_in_.Increment(static_cast<double>(count)); }
    /// Events offered to sessions whose filters match, and events queued for clients.
    void delivered(std::uint64_t count) { events_out_.Increment(static_cast<double>(count)); }
    /// Seconds from the commit to the fan-out of the newest event.
    void delay(double seconds) { delay_.Set(seconds); }
    void session_opened() { sinks_.Increment(); }
    void session_closed() { sinks_.Decrement(); }
    void fell_behind() { behind_.Increment(); }
    void caught_up() { behind_.Decrement(); }
    void skipped(std::string_view reason) { skipped_.Add({{"reason", std::string(reason)}}).Increment(); }
    void truncated() { truncated_.Increment(); }
    void replayed(std::uint64_t count) { replayed_.Increment(static_cast<double>(count)); }
    /// Shown out: the user has too many sessions.
    void refused_user() { refused_user_.Increment(); }
    /// A session has lost its right to read.
    void silenced() { silenced_.Increment(); }
    /// An event was kept from a session whose filters match it.
    void denied() { denied_.Increment(); }
    /// A v1 subscription could not go on where its token says.
    void reset(std::string_view reason) { resets_.Add({{"reason", std::string(reason)}}).Increment(); }
    /// The database is asked for the newest state of so many records, in one snapshot.
    void snapshot_asked(std::uint64_t records) {
        snapshot_queries_.Increment();
        snapshot_records_.Increment(static_cast<double>(records));
    }
    void bad_request() { bad_requests_.Increment(); }

  private:
    prometheus::Counter &events_in_;
    prometheus::Counter &events_out_;
    prometheus::Gauge &delay_;
    prometheus::Gauge &sinks_;
    prometheus::Gauge &behind_;
    prometheus::Family<prometheus::Counter> &skipped_;
    prometheus::Family<prometheus::Counter> &resets_;
    prometheus::Counter &truncated_;
    prometheus::Counter &replayed_;
    prometheus::Counter &bad_requests_;
    prometheus::Counter &refused_user_;
    prometheus::Counter &silenced_;
    prometheus::Counter &denied_;
    prometheus::Counter &snapshot_queries_;
    prometheus::Counter &snapshot_records_;
};

} // namespace walcast
