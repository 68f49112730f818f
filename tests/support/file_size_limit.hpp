#pragma once

#include <sys/resource.h>

#include <csignal>

namespace walcast {

/// While it lives no file of this process grows past `bytes`: a write fails with EFBIG, as it does with
/// ENOSPC on a full disk. (Without a handler the kernel would also end the process with SIGXFSZ.)
class file_size_limit {
  public:
    explicit file_size_limit(rlim_t bytes)
        : before_handler_(std::signal(SIGXFSZ, SIG_IGN)) {
        ::getrlimit(RLIMIT_FSIZE, &before_);
        const rlimit now{bytes, before_.rlim_max};
        ::setrlimit(RLIMIT_FSIZE, &now);
    }
    ~file_size_limit() {
        ::setrlimit(RLIMIT_FSIZE, &before_);
        std::signal(SIGXFSZ, before_handler_);
    }
    file_size_limit(const file_size_limit &) = delete;
    file_size_limit &operator=(const file_size_limit &) = delete;

  private:
    void (*before_handler_)(int);
    rlimit before_{};
};

} // namespace walcast
