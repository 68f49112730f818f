#include "db/query_pool.hpp"

#include "db/connection.hpp"

#include <memory>
#include <optional>
#include <pthread.h>
#include <utility>

namespace walcast {

using namespace std::chrono_literals;

namespace {
/// Every query has an index to go by; what takes longer is not going to come.
constexpr auto job_limit = 30s;
/// The same problem of a job is not logged again before.
constexpr auto complain_interval = 10s;
} // namespace

query_pool::query_pool(std::string connection, unsigned threads, logger &log)
    : connection_(std::move(connection))
    , log_(log) {
    for (unsigned at = 0; at < threads; ++at)
        threads_.emplace_back([this] {
            ::pthread_setname_np(::pthread_self(), "walcast-query");
            work();
        });
}

query_pool::~query_pool() {
    stop();
}

void query_pool::submit(job run, std::function<void()> failed) {
    const std::scoped_lock lock(mutex_);
    jobs_.push_back({std::move(run), [failed = std::move(failed)](const std::string &) { failed(); }, false});
    wake_.notify_one();
}

void query_pool::submit_once(job run, std::function<void(std::string)> failed) {
    const std::scoped_lock lock(mutex_);
    jobs_.push_front({std::move(run), std::move(failed), true});
    wake_.notify_one();
}

void query_pool::stop() {
    {
        const std::scoped_lock lock(mutex_);
        stopping_ = true;
        jobs_.clear();
    }
    wake_.notify_all();
    for (auto &thread : threads_)
        if (thread.joinable())
            thread.join();
}

query_pool::usage query_pool::connections() const {
    const std::scoped_lock lock(mutex_);
    return usage_;
}

void query_pool::complain(const std::string &problem) {
    const auto now = std::chrono::steady_clock::now();
    {
        const std::scoped_lock lock(mutex_);
        if (said_ == problem && now - said_at_ < complain_interval)
            return;
        said_ = problem;
        said_at_ = now;
    }
    log_.error("a query failed", {{"problem", problem}});
}

void query_pool::work() {
    std::unique_ptr<pqxx::connection> connection;
    bool settled = false; // the connection has been told how values are to look
    backoff patience(50ms, 2s);
    std::unique_lock lock(mutex_);
    const auto forget_connection = [&] {
        settled = false;
        if (std::exchange(connection, nullptr))
            --usage_.busy;
    };
    while (!stopping_) {
        if (jobs_.empty()) {
            wake_.wait(lock);
            continue;
        }
        auto next = std::move(jobs_.front());
        jobs_.pop_front();
        if (connection) {
            --usage_.idle;
            ++usage_.busy;
        }
        lock.unlock();
        std::optional<std::string> problem;
        bool broken = false;
        try {
            if (!connection) {
                connection = open_connection(connection_);
                lock.lock();
                ++usage_.busy;
                lock.unlock();
            }
            const stall_guard::watch within(guard_, connection->sock(), job_limit);
            if (!settled) {
                known_forms(*connection);
                settled = true;
            }
            next.run(*connection);
            patience.reset();
        } catch (const pqxx::broken_connection &error) {
            problem = one_line(error.what());
            broken = true;
        } catch (const pqxx::sql_error &error) {
            problem = one_line(error.what());
            // Class 57 is the server going away or cancelling; the job is not to blame.
            broken = error.sqlstate().starts_with("57") || (connection && !connection->is_open());
        } catch (const std::exception &error) {
            problem = one_line(error.what());
            broken = connection && !connection->is_open();
        }
        if (problem && (!broken || next.once)) {
            if (!next.once)
                complain(*problem);
            next.failed(*problem);
        }
        const bool again = problem && broken && !next.once;
        if (!again)
            next = {}; // what it holds is not to be destroyed under the lock
        if (again)
            log_.warning("the database cannot be asked", {{"problem", *problem}});
        lock.lock();
        if (broken)
            forget_connection();
        if (connection) {
            --usage_.busy;
            ++usage_.idle;
        }
        if (again) {
            jobs_.push_front(std::move(next));
            wake_.wait_for(lock, patience.next(), [this] { return stopping_; });
        }
    }
}

} // namespace walcast
