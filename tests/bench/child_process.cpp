#include "tests/bench/child_process.hpp"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <spawn.h>
#include <stdexcept>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace walcast::bench {

using namespace std::chrono_literals;

child_process::child_process(const std::vector<std::string> &command, const std::string &log_path) {
    std::vector<char *> arguments;
    for (const std::string &each : command)
        arguments.push_back(const_cast<char *>(each.c_str()));
    arguments.push_back(nullptr);

    posix_spawn_file_actions_t files;
    ::posix_spawn_file_actions_init(&files);
    ::posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND,
                                       0644);
    ::posix_spawn_file_actions_adddup2(&files, STDOUT_FILENO, STDERR_FILENO);
    const int error = ::posix_spawnp(&pid_, arguments[0], &files, nullptr, arguments.data(), environ);
    ::posix_spawn_file_actions_destroy(&files);
    if (error != 0)
        throw std::runtime_error(command.front() + ": " + std::strerror(error));
}

child_process::~child_process() {
    stop(5s);
}

std::optional<int> child_process::wait(std::chrono::milliseconds limit) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while (!status_) {
        int status = 0;
        const pid_t ended = ::waitpid(pid_, &status, WNOHANG);
        if (ended == pid_)
            status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        else if (std::chrono::steady_clock::now() >= deadline)
            break;
        else
            std::this_thread::sleep_for(1ms);
    }
    return status_;
}

int child_process::stop(std::chrono::milliseconds limit) {
    if (!status_)
        ::kill(pid_, SIGTERM);
    if (!wait(limit)) {
        ::kill(pid_, SIGKILL);
        // SIGKILL cannot be refused, so this ends; the limit only keeps the types simple.
        static_cast<void>(wait(60s));
    }
    return status_.value_or(-1);
}

} // namespace walcast::bench
