#pragma once

#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>
#include <string>
#include <utility>

namespace walcast {

/// The bytes of one message (or the part of it that all receivers share), encoded once and sent to many.
///
/// Immutable. Counted without atomics, so a frame stays within the shard that made it.
class frame : public boost::intrusive_ref_counter<frame, boost::thread_unsafe_counter> {
  public:
    explicit frame(std::string bytes)
        : bytes_(std::move(bytes)) {}

    [[nodiscard]] const std::string &bytes() const { return bytes_; }

  private:
    std::string bytes_;
};

using shared_frame = boost::intrusive_ptr<const frame>;

[[nodiscard]] inline shared_frame make_frame(std::string bytes) {
    return shared_frame(new frame(std::move(bytes)));
}

} // namespace walcast
