#include "tests/support/process.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <stdexcept>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

namespace walcast::testing {

namespace {

constexpr int cannot_start = 127;

[[noreturn]] void fail(const std::string &what) {
    throw std::system_error(errno, std::generic_category(), what);
}

/// In the child, after fork: only calls that are safe there. Never returns.
[[noreturn]] void become(const server_user &as, char *const *arguments, int out, int err, int death_signal) {
    ::dup2(out, 1);
    ::dup2(err, 2);
    if (::geteuid() == 0 && (::setgroups(0, nullptr) != 0 || ::setgid(as.gid) != 0 || ::setuid(as.uid) != 0))
        ::_exit(cannot_start);
    if (death_signal != 0)
        ::prctl(PR_SET_PDEATHSIG, death_signal); // after setuid, which clears it
    if (::chdir("/tmp") != 0)                    // ours may be out of that user's reach
        ::_exit(cannot_start);
    ::execv(arguments[0], arguments);
    ::_exit(cannot_start);
}

std::vector<char *> arguments_of(const std::vector<std::string> &command) {
    std::vector<char *> arguments;
    for (const auto &part : command)
        arguments.push_back(const_cast<char *>(part.c_str()));
    arguments.push_back(nullptr);
    return arguments;
}

} // namespace

server_user server_user::find() {
    if (::geteuid() != 0)
        return {::geteuid(), ::getegid()};
    const auto *user = ::getpwnam("postgres");
    if (user == nullptr)
        throw std::runtime_error("PostgreSQL does not run as root, and there is no user postgres");
    return {user->pw_uid, user->pw_gid};
}

process_result run(const server_user &as, const std::vector<std::string> &command) {
    auto arguments = arguments_of(command);
    std::array<int, 2> out{};
    std::array<int, 2> err{};
    if (::pipe2(out.data(), O_CLOEXEC) != 0 || ::pipe2(err.data(), O_CLOEXEC) != 0)
        fail("pipe");
    const auto child = ::fork();
    if (child < 0)
        fail("fork");
    if (child == 0)
        become(as, arguments.data(), out[1], err[1], 0);
    ::close(out[1]);
    ::close(err[1]);

    process_result result{};
    std::array<pollfd, 2> reads{pollfd{out[0], POLLIN, 0}, pollfd{err[0], POLLIN, 0}};
    for (int open = 2; open > 0;) {
        if (::poll(reads.data(), reads.size(), -1) < 0)
            continue;
        for (auto &read : reads) {
            if (read.fd < 0 || read.revents == 0)
                continue;
            std::array<char, 65536> buffer{};
            const auto got = ::read(read.fd, buffer.data(), buffer.size());
            if (got > 0) {
                (&read == reads.data() ? result.output : result.error)
                    .append(buffer.data(), static_cast<std::size_t>(got));
            } else {
                ::close(read.fd);
                read.fd = -1;
                --open;
            }
        }
    }
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (result.status == cannot_start)
        throw std::runtime_error("cannot start " + command.front());
    return result;
}

pid_t spawn(const server_user &as, const std::vector<std::string> &command,
            const std::filesystem::path &log) {
    auto arguments = arguments_of(command);
    const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (out < 0)
        fail("cannot write " + log.string());
    const auto child = ::fork();
    if (child < 0)
        fail("fork");
    if (child == 0)
        become(as, arguments.data(), out, out, SIGQUIT);
    ::close(out);
    return child;
}

} // namespace walcast::testing
