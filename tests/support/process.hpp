#pragma once

#include <filesystem>
#include <string>
#include <sys/types.h>
#include <vector>

namespace walcast::testing {

/// The ordinary user that runs PostgreSQL's programs, which refuse root: `postgres` when we are root, else
/// ourselves.
struct server_user {
    uid_t uid;
    gid_t gid;

    [[nodiscard]] static server_user find();
};

struct process_result {
    int status; ///< exit status, or 128 + signal
    std::string output;
    std::string error;
};

/// Runs a program to its end as that user. Throws when it cannot be started.
[[nodiscard]] process_result run(const server_user &as, const std::vector<std::string> &command);

/// Starts a program as that user, its output appended to `log`; it dies with the thread that started it.
[[nodiscard]] pid_t spawn(const server_user &as, const std::vector<std::string> &command,
                          const std::filesystem::path &log);

} // namespace walcast::testing
