#pragma once

#include <cstdint>
#include <sys/types.h>

namespace walcast::bench {

/// What one process has used up to now, as the kernel counts it. Two samples subtracted are what it used
/// between.
struct proc_sample {
    std::uint64_t cpu_ns = 0;             ///< of all threads, user and system, to the nanosecond
    double user_s = 0;                    ///< utime; counted in ticks of 10 ms
    double system_s = 0;                  ///< stime, likewise
    std::uint64_t rss_bytes = 0;          ///< resident now
    std::uint64_t peak_rss_bytes = 0;     ///< the most it has been
    std::uint64_t voluntary_switches = 0; ///< times a thread went to sleep, of the threads alive now
};

/// Reads /proc and the CPU clock of another process. Throws std::runtime_error when there is no such process.
[[nodiscard]] proc_sample sample_process(pid_t pid);

} // namespace walcast::bench
