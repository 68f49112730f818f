#include "server/coverage_watch.hpp"

#include "db/gap_reader.hpp"

#include <pthread.h>
#include <utility>

namespace walcast {

using namespace std::chrono_literals;

namespace {
constexpr std::chrono::milliseconds interval = 2s;
/// Until the first look after the source is ready, which says what is no news to anybody.
constexpr std::chrono::milliseconds first_interval = 50ms;
/// How long the source may take to get to where the log ended; then the next look tries again.
constexpr auto decode_limit = 20s;
/// How often to see meanwhile whether it is still on its way.
constexpr auto source_interval = 500ms;
constexpr std::uint32_t rows_at_a_time = 500;
} // namespace

coverage_watch::coverage_watch(std::string publication, query_pool &queries, hooks outside, logger &log)
    : publication_(std::move(publication))
    , queries_(queries)
    , outside_(std::move(outside))
    , log_(log) {}

coverage_watch::~coverage_watch() {
    stop();
}

void coverage_watch::start() {
    thread_ = std::thread([this] {
        ::pthread_setname_np(::pthread_self(), "walcast-cover");
        run();
    });
}

void coverage_watch::stop() {
    {
        const std::scoped_lock lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_all();
    if (thread_.joinable())
        thread_.join();
}

void coverage_watch::run() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
        lock.unlock();
        const auto source = outside_.source();
        if (source.ready)
            if (auto now = look(source.kind == "slot"))
                judge(std::move(*now), source);
        lock.lock();
        (void)wake_.wait_for(lock, whole_ ? interval : first_interval, [this] { return stopping_; });
    }
}

bool coverage_watch::ask(std::function<void(pqxx::connection_base &)> query) {
    // The pool may drop the job, and this thread may be gone before it runs: both only when the relay stops.
    struct answer {
        bool done = false;
        bool failed = false;
    };
    const auto got = std::make_shared<answer>();
    const auto settle = [this, got](bool failed) {
        const std::scoped_lock lock(mutex_);
        got->done = true;
        got->failed = failed;
        wake_.notify_all();
    };
    queries_.submit_once(
        [query = std::move(query), settle](pqxx::connection_base &on) {
            query(on);
            settle(false);
        },
        [this, settle](const std::string &problem) {
            log_.debug("the coverage cannot be looked at", {{"problem", problem}});
            settle(true);
        });
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [&] { return got->done || stopping_; });
    return got->done && !got->failed;
}

std::optional<coverage> coverage_watch::look(bool by_slot) {
    const auto seen = std::make_shared<coverage>();
    if (!ask([seen, publication = by_slot ? publication_ : std::string()](pqxx::connection_base &on) {
            *seen = look_at_coverage(on, publication);
        }))
        return std::nullopt;
    return *seen;
}

void coverage_watch::judge(coverage now, const source_status &source) {
    std::string before;
    {
        const std::scoped_lock lock(mutex_);
        before = std::exchange(last_, now).problem;
        looked_ = true;
    }
    if (before != now.problem) {
        if (now.problem.empty())
            log_.info("the database sends what is needed again");
        else if (now.events && !now.secrets)
            log_.warning("the database does not send all that is needed", {{"problem", now.problem}});
        else
            log_.error("the database does not send what is needed", {{"problem", now.problem}});
    }
    // The listener finds by itself what it missed.
    if (source.kind != "slot") {
        whole_ = std::move(now);
        return;
    }
    const bool changed = std::exchange(shape_, now.shape) != now.shape;
    const bool new_slot = std::exchange(slots_lost_, source.slots_lost) != source.slots_lost;
    gap_ = gap_ || changed || new_slot || !now.events;
    if (!whole_ && !now.snapshot.empty())
        whole_ = now; // what committed before the relay looked is no news to anybody
    if (now.events && (!gap_ || !whole_ || make_good(*whole_, now))) {
        whole_ = std::move(now);
        gap_ = false;
    }
}

bool coverage_watch::make_good(const coverage &before, const coverage &now) {
    std::uint64_t read = 0;
    const auto page = std::make_shared<log_page>();
    page->last = gap_begin(before, now);
    do {
        const auto after = page->last;
        if (!ask([page, before, now, after](pqxx::connection_base &on) {
                *page = read_gap(on, before, now, after, rows_at_a_time);
            }))
            return false;
        read += page->rows.size();
        if (!page->rows.empty() && !hand_over(std::move(page->rows), page->as_of))
            return false;
    } while (page->more);
    if (read > 0)
        log_.info("rows of logs that the slot may not have sent were read from the table",
                  {{"rows", read}, {"after", before.greatest}});
    return true;
}

bool coverage_watch::hand_over(std::vector<transaction_ptr> rows, lsn as_of) {
    const auto handled = std::make_shared<bool>(false);
    outside_.fill(std::move(rows), as_of, [this, handled] {
        const std::scoped_lock lock(mutex_);
        *handled = true;
        wake_.notify_all();
    });
    outside_.request_position(as_of);
    const auto deadline = std::chrono::steady_clock::now() + decode_limit;
    std::unique_lock lock(mutex_);
    while (!wake_.wait_for(lock, source_interval, [&] { return *handled || stopping_; })) {
        // A source that is away gets nowhere, perhaps for a reason that the next look finds.
        lock.unlock();
        const bool away = outside_.source().state == "connecting";
        lock.lock();
        if (away || std::chrono::steady_clock::now() > deadline)
            break;
    }
    return *handled;
}

std::string coverage_watch::problem() const {
    const std::scoped_lock lock(mutex_);
    return last_.problem;
}

bool coverage_watch::covered() const {
    const std::scoped_lock lock(mutex_);
    return looked_ && last_.problem.empty();
}

std::string coverage_watch::grave_problem() const {
    const std::scoped_lock lock(mutex_);
    return last_.events && !last_.secrets ? "" : last_.problem;
}

} // namespace walcast
