#include "tests/bench/proc_stat.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <unistd.h>

namespace walcast::bench {

namespace {

[[nodiscard]] std::runtime_error gone(pid_t pid) {
    return std::runtime_error(fmt::format("process {} is not there", pid));
}

[[nodiscard]] std::string read_file(const std::string &path) {
    std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

// The number after `Name:` in a /proc/…/status; 0 when the line is missing.
[[nodiscard]] std::uint64_t status_number(const std::string &status, const std::string &name) {
    const std::size_t at = status.find("\n" + name + ":");
    return at == std::string::npos ? 0 : std::strtoull(status.c_str() + at + name.size() + 2, nullptr, 10);
}

void read_times(pid_t pid, proc_sample &to) {
    const std::string stat = read_file(fmt::format("/proc/{}/stat", pid));
    // The second field is the program's name in parentheses and may contain anything: count from its end.
    const std::size_t name_end = stat.rfind(')');
    if (name_end == std::string::npos)
        throw gone(pid);
    std::istringstream fields(stat.substr(name_end + 1));
    std::string skipped;
    for (int field = 3; field < 14; ++field)
        fields >> skipped;
    double user = 0;
    double system = 0;
    fields >> user >> system;
    const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
    to.user_s = user / ticks;
    to.system_s = system / ticks;
}

void read_clock(pid_t pid, proc_sample &to) {
    clockid_t clock = 0;
    timespec time{};
    if (::clock_getcpuclockid(pid, &clock) != 0 || ::clock_gettime(clock, &time) != 0)
        throw gone(pid);
    to.cpu_ns =
        static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(time.tv_nsec);
}

} // namespace

proc_sample sample_process(pid_t pid) {
    proc_sample made;
    read_clock(pid, made);
    read_times(pid, made);
    const std::string status = read_file(fmt::format("/proc/{}/status", pid));
    made.rss_bytes = status_number(status, "VmRSS") * 1024;
    made.peak_rss_bytes = status_number(status, "VmHWM") * 1024;
    std::error_code ignored;
    for (const auto &thread : std::filesystem::directory_iterator(fmt::format("/proc/{}/task", pid), ignored))
        made.voluntary_switches +=
            status_number(read_file(thread.path().string() + "/status"), "voluntary_ctxt_switches");
    return made;
}

} // namespace walcast::bench
