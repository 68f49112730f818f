#include "db/stream_spill.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <utility>

namespace walcast {

namespace {
boost::system::error_code last_error() {
    return {errno, boost::system::system_category()};
}

/// For file systems without O_TMPFILE: a name that lives only until the next line.
int open_unlinked(const std::string &directory) {
    auto name = directory + "/walcast-spill-XXXXXX";
    const int descriptor = ::mkostemp(name.data(), O_CLOEXEC);
    if (descriptor >= 0)
        ::unlink(name.c_str());
    return descriptor;
}
} // namespace

boost::system::result<stream_spill> stream_spill::open(const std::string &directory) {
    stream_spill made;
    made.descriptor_ = ::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (made.descriptor_ < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL))
        made.descriptor_ = open_unlinked(directory);
    if (made.descriptor_ < 0)
        return last_error();
    return made;
}

stream_spill::stream_spill(stream_spill &&other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1))
    , size_(std::exchange(other.size_, 0)) {}

stream_spill &stream_spill::operator=(stream_spill &&other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    std::swap(size_, other.size_);
    return *this;
}

stream_spill::~stream_spill() {
    if (descriptor_ >= 0)
        ::close(descriptor_);
}

boost::system::result<void> stream_spill::append(std::string_view bytes) {
    auto at = size_;
    while (!bytes.empty()) {
        const auto written = ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(at));
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0) {
            const auto error = last_error();
            // Half a message is of no use to anyone, and its blocks are what a full disk needs; best effort.
            [[maybe_unused]] const int ignored = ::ftruncate(descriptor_, static_cast<off_t>(size_));
            return error;
        }
        bytes.remove_prefix(static_cast<std::size_t>(written));
        at += static_cast<std::uint64_t>(written);
    }
    size_ = at;
    return {};
}

boost::system::result<void> stream_spill::read(std::uint64_t offset, std::span<char> into) const {
    while (!into.empty()) {
        const auto got = ::pread(descriptor_, into.data(), into.size(), static_cast<off_t>(offset));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return last_error();
        if (got == 0)
            return boost::system::error_code(EIO, boost::system::system_category());
        into = into.subspan(static_cast<std::size_t>(got));
        offset += static_cast<std::uint64_t>(got);
    }
    return {};
}

} // namespace walcast
