#include "db/visibility_gate.hpp"

#include "db/connection.hpp"

#include <algorithm>
#include <chrono>
#include <pthread.h>
#include <stdexcept>
#include <utility>

namespace walcast {

using namespace std::chrono_literals;

namespace {

constexpr auto answer_limit = 20s;
/// Between looks, from the first to one after many.
constexpr std::chrono::milliseconds first_pause{2}, last_pause{100};
/// A stall that is worth a line in the log.
constexpr std::int64_t long_wait_us = 5'000'000;

std::int64_t now_us() {
    return std::chrono::duration_cast<std::chrono::microseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

} // namespace

visibility_gate::visibility_gate(std::string connection, batch_sink sink, std::function<void()> resume,
                                 logger &log)
    : connection_parameters_(std::move(connection))
    , sink_(std::move(sink))
    , resume_(std::move(resume))
    , log_(log) {}

visibility_gate::~visibility_gate() {
    stop();
}

void visibility_gate::start() {
    thread_ = std::thread([this] {
        ::pthread_setname_np(::pthread_self(), "walcast-visible");
        run();
    });
}

void visibility_gate::stop() {
    {
        const std::scoped_lock lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_all();
    if (thread_.joinable())
        thread_.join();
}

void visibility_gate::take(batch next) {
    {
        const std::scoped_lock lock(mutex_);
        held_.add(std::move(next));
    }
    wake_.notify_all();
}

bool visibility_gate::full() const {
    const std::scoped_lock lock(mutex_);
    return held_.bytes() >= most_bytes;
}

lsn visibility_gate::let_go(lsn decoded) const {
    const std::scoped_lock lock(mutex_);
    return held_.let_go(decoded);
}

held_status visibility_gate::status() const {
    const std::scoped_lock lock(mutex_);
    return held_.status(now_us());
}

void visibility_gate::run() {
    auto pause = first_pause;
    backoff patience(100ms, 5s);
    std::unique_lock lock(mutex_);
    while (!stopping_) {
        if (held_.empty()) {
            wake_.wait(lock);
            continue;
        }
        lock.unlock();
        std::optional<visibility> seen;
        try {
            seen = look();
            patience.reset();
        } catch (const std::exception &error) {
            log_.warning("whether transactions are visible cannot be asked",
                         {{"problem", one_line(error.what())}});
            connection_.reset();
        }
        lock.lock();
        if (!seen) {
            wake_.wait_for(lock, patience.next(), [this] { return stopping_; });
            continue;
        }
        const auto before = held_.bytes();
        auto ready = held_.release(*seen, now_us());
        const auto after = held_.bytes();
        const auto status = held_.status(now_us());
        lock.unlock();
        for (auto &next : ready)
            sink_(std::move(next));
        if (before >= most_bytes / 2 && after < most_bytes / 2)
            resume_();
        complain(status);
        lock.lock();
        pause = ready.empty() ? std::min(2 * pause, last_pause) : first_pause;
        if (!held_.empty() && status.oldest_us > 0)
            wake_.wait_for(lock, pause, [this] { return stopping_; });
    }
}

visibility visibility_gate::look() {
    if (!connection_)
        connection_ = open_connection(connection_parameters_ + source_parameters);
    const stall_guard::watch within(guard_, connection_->sock(), answer_limit);
    pqxx::nontransaction in(*connection_);
    const auto text = in.exec1("SELECT pg_catalog.pg_current_snapshot()::text")[0].as<std::string>();
    if (auto seen = visibility::parse(text))
        return *seen;
    throw std::runtime_error("this is no snapshot: " + text);
}

void visibility_gate::complain(const held_status &now) {
    if (now.oldest_us < long_wait_us) {
        if (std::exchange(complained_, false) && now.oldest_us == 0)
            log_.info("commits are visible again", {});
        return;
    }
    if (!std::exchange(complained_, true))
        log_.warning(
            "a commit is not visible yet, so nothing behind it is sent: a synchronous standby does not "
            "answer",
            {{"held", now.transactions}, {"bytes", now.bytes}});
}

} // namespace walcast
