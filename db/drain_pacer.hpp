#pragma once

#include <chrono>

namespace walcast {

/// Takes a breath between drains of a dense stream, so that each drain brings more.
///
/// A walsender sends every message by itself, and a reader that is quicker than it sleeps and is woken for
/// each one. Both pay: the wake-up costs the *sender* some microseconds a message (a slower reader makes it
/// faster), and us three system calls. So after a run of drains that follow each other this closely, the
/// thread sleeps a moment before it waits again; a stream that is not dense never meets it. What it costs is
/// up to `breath` of delay while more than some 5,000 wake-ups a second would happen otherwise.
class drain_pacer {
  public:
    using clock = std::chrono::steady_clock;

    static constexpr std::chrono::microseconds breath{150};
    /// Drains that end within this of each other are a dense stream.
    static constexpr std::chrono::microseconds dense{200};
    /// So many in a row, before a breath is taken.
    static constexpr unsigned run = 16;

    /// A drain ended at this time: whether to take a breath now. Pure.
    [[nodiscard]] bool drained(clock::time_point at);
    /// Says that a drain has ended, and sleeps if that is due.
    void rest();

  private:
    clock::time_point last_{};
    unsigned in_a_row_ = 0;
};

} // namespace walcast
