#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace walcast::testing {

/// Runs the scripts of arvados_scripts() in a loop on several connections, until destruction. By themselves
/// they never fail, so every failure is walcast's.
class arvados_workload {
  public:
    /// Connects as Arvados does, as the owner of the tables.
    explicit arvados_workload(std::string connection);
    ~arvados_workload();

    arvados_workload(const arvados_workload &) = delete;
    arvados_workload &operator=(const arvados_workload &) = delete;

    /// Waits until each script has been run `times` more.
    void await_rounds(unsigned times);
    /// How often each script was run to its end.
    [[nodiscard]] std::map<std::string, unsigned> rounds();
    /// Script, statement and PostgreSQL's message of all that failed.
    [[nodiscard]] std::vector<std::string> failures();

  private:
    void work(unsigned worker);

    std::string connection_;
    std::atomic<bool> stop_{false};
    std::mutex mutex_; ///< guards rounds_ and failures_
    std::map<std::string, unsigned> rounds_;
    std::vector<std::string> failures_;
    std::vector<std::jthread> workers_; ///< last: ends before what it uses
};

} // namespace walcast::testing
