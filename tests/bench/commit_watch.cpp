#include "tests/bench/commit_watch.hpp"

#include "tests/bench/log_rows.hpp"

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <filesystem>
#include <poll.h>
#include <stdexcept>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>

namespace walcast::bench {

using namespace std::chrono_literals;

namespace {
constexpr auto slot = "bench_recvlogical";
constexpr auto slot_limit = 20s;
} // namespace

std::string mark_text(std::size_t mark) {
    return fmt::format("{}{:0{}}", mark_head, mark, mark_digits);
}

commit_watch::commit_watch(slot_admin &slots, const std::string &pg_bin, const std::string &connection,
                           const plugin_options &options, const std::string &folder, std::size_t marks)
    : slots_(slots)
    , pipe_path_(folder + "/commits.pipe")
    , seen_(marks) {
    std::filesystem::remove(pipe_path_);
    if (::mkfifo(pipe_path_.c_str(), 0600) != 0)
        throw std::runtime_error("no pipe " + pipe_path_);
    pipe_ = ::open(pipe_path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    slots_.drop(slot, slot_limit);
    slots_.create(slot);
    std::vector<std::string> command{pg_bin + "/pg_recvlogical",    "--dbname=" + connection,
                                     std::string("--slot=") + slot, "--start",
                                     "--file=" + pipe_path_,        "--no-loop"};
    for (const auto &[name, value] : options)
        command.push_back("--option=" + name + "=" + value);
    reader_ = std::make_unique<child_process>(command, folder + "/recvlogical.log");
    slots_.wait_for_sender(slot, 0, slot_limit);
    thread_ = std::jthread([this](const std::stop_token &stop) { run(stop); });
}

commit_watch::~commit_watch() {
    reader_.reset();
    thread_ = {};
    if (pipe_ >= 0)
        ::close(pipe_);
    std::filesystem::remove(pipe_path_);
}

std::vector<std::uint64_t> commit_watch::stop() {
    reader_->stop(10s);
    thread_.request_stop();
    thread_.join();
    slots_.drop(slot, slot_limit);
    return std::move(seen_);
}

void commit_watch::run(const std::stop_token &stop) {
    std::string bytes;
    std::array<char, 65536> part{};
    while (!stop.stop_requested()) {
        pollfd ready{.fd = pipe_, .events = POLLIN, .revents = 0};
        if (::poll(&ready, 1, 50) <= 0)
            continue;
        const auto got = ::read(pipe_, part.data(), part.size());
        if (got <= 0) { // nobody writes (yet)
            std::this_thread::sleep_for(1ms);
            continue;
        }
        const auto at = now_ns();
        bytes.append(part.data(), static_cast<std::size_t>(got));
        bytes.erase(0, for_each_mark(bytes, [&](std::size_t mark) {
                        if (mark < seen_.size() && seen_[mark] == 0)
                            seen_[mark] = at;
                    }));
    }
}

} // namespace walcast::bench
