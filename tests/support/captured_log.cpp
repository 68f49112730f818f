#include "tests/support/captured_log.hpp"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace walcast::testing {

captured_log::captured_log()
    : descriptor_(::memfd_create("log", MFD_CLOEXEC))
    , log_(descriptor_, log_format::text, log_level::debug) {}

captured_log::~captured_log() {
    ::close(descriptor_);
}

std::string captured_log::text() const {
    struct stat state {};
    ::fstat(descriptor_, &state);
    std::string text(static_cast<std::size_t>(state.st_size), '\0');
    const auto got = ::pread(descriptor_, text.data(), text.size(), 0);
    text.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
    return text;
}

} // namespace walcast::testing
