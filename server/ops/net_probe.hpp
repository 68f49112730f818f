#pragma once

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>
#include <string>
#include <string_view>

namespace walcast {

/// What the network side tells the metrics. Safe from any thread.
class net_probe {
  public:
    explicit net_probe(prometheus::Registry &into);

    void opened() { connections_.Increment(); }
    void closed() { connections_.Decrement(); }
    /// A connection was refused; `reason` is of a fixed set.
    void refused(std::string_view reason) { refused_.Add({{"reason", std::string(reason)}}).Increment(); }
    void request() { requests_.Increment(); }
    void upgraded() { sockets_.Increment(); }
    void websocket_closed() { sockets_.Decrement(); }
    void stream_opened() { streams_.Increment(); }
    void stream_closed() { streams_.Decrement(); }
    /// A request for the newest state of a record has come, and is answered with this status; 0: the client
    /// is gone.
    void poll_opened() { polls_.Increment(); }
    void poll_closed(unsigned status) {
        polls_.Decrement();
        answers_.Add({{"status", status == 0 ? "gone" : std::to_string(status)}}).Increment();
    }

  private:
    prometheus::Gauge &connections_;
    prometheus::Family<prometheus::Counter> &refused_;
    prometheus::Counter &requests_;
    prometheus::Gauge &sockets_;
    prometheus::Gauge &streams_;
    prometheus::Gauge &polls_;
    prometheus::Family<prometheus::Counter> &answers_;
};

} // namespace walcast
