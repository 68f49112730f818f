#pragma once

#include <fcntl.h>
#include <unistd.h>

namespace walcast {

/// A descriptor kept for the day when there is no other: given up for a moment, it lets one waiting
/// connection be taken and told that there is no room, where it would otherwise hang unanswered.
class spare_descriptor {
  public:
    spare_descriptor() { keep(); }
    ~spare_descriptor() { (void)give_up(); }
    spare_descriptor(const spare_descriptor &) = delete;
    spare_descriptor &operator=(const spare_descriptor &) = delete;

    /// True if there was one.
    [[nodiscard]] bool give_up() {
        if (descriptor_ < 0)
            return false;
        ::close(descriptor_);
        descriptor_ = -1;
        return true;
    }
    /// Harmless if it is there, or if another thread was quicker.
    void keep() {
        if (descriptor_ < 0)
            descriptor_ = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    }

  private:
    int descriptor_ = -1;
};

} // namespace walcast
