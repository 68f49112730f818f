#include "db/id_log.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace walcast {

namespace {

/// The file is begun anew when it holds this many times what is read from it.
constexpr std::size_t rewritten_at = 5;

std::string header_of(const std::string &identity) {
    return "walcast ids of " + identity + "\n";
}

void write_all(int file, const char *bytes, std::size_t size) {
    while (size > 0) {
        const auto written = ::write(file, bytes, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            throw std::system_error(errno, std::generic_category());
        bytes += written;
        size -= static_cast<std::size_t>(written);
    }
}

} // namespace

id_log::id_log(std::string path)
    : path_(std::move(path)) {}

id_log::~id_log() {
    if (file_ >= 0)
        ::close(file_);
}

std::optional<std::vector<std::int64_t>> id_log::open(const std::string &identity, std::size_t most) {
    if (path_.empty())
        return std::nullopt;
    std::ifstream in(path_, std::ios::binary);
    const std::string content{std::istreambuf_iterator<char>(in), {}};
    const auto header = header_of(identity);
    const bool known = content.starts_with(header);
    std::vector<std::int64_t> ids;
    if (known) {
        // An append that was cut short by a crash leaves less than eight bytes at the end.
        const auto count = (content.size() - header.size()) / sizeof(std::int64_t);
        const auto skipped = count > most ? count - most : 0;
        ids.resize(count - skipped);
        if (!ids.empty()) // copying nothing to nowhere is not allowed
            std::memcpy(ids.data(), content.data() + header.size() + skipped * sizeof(std::int64_t),
                        ids.size() * sizeof(std::int64_t));
    }
    if (file_ >= 0)
        ::close(std::exchange(file_, -1));
    identity_ = identity;
    most_ = most;
    rewrite(identity, ids);
    return known ? std::optional(std::move(ids)) : std::nullopt;
}

void id_log::rewrite(const std::string &identity, const std::vector<std::int64_t> &ids) {
    // Whole beside the old one, then in its place: never a half-written file.
    const auto fresh = path_ + ".new";
    file_ = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    if (file_ < 0)
        fail("opening");
    const auto header = header_of(identity);
    try {
        write_all(file_, header.data(), header.size());
    } catch (const std::system_error &) {
        fail("writing");
    }
    count_ = 0;
    append(ids);
    if (std::rename(fresh.c_str(), path_.c_str()) != 0)
        fail("renaming");
}

void id_log::append(std::span<const std::int64_t> ids) {
    if (file_ < 0 || ids.empty())
        return;
    try {
        write_all(file_, reinterpret_cast<const char *>(ids.data()), ids.size_bytes());
    } catch (const std::system_error &error) {
        errno = error.code().value();
        fail("writing");
    }
    count_ += ids.size();
    if (count_ > most_ * rewritten_at)
        (void)open(identity_, most_);
}

void id_log::fail(const char *doing) {
    const std::error_code why(errno, std::generic_category());
    if (file_ >= 0)
        ::close(std::exchange(file_, -1));
    ::unlink(path_.c_str()); // half a memory is worse than none
    throw std::system_error(why, std::string(doing) + " " + path_);
}

} // namespace walcast
