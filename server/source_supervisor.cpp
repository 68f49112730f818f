#include "server/source_supervisor.hpp"

#include "db/connection.hpp"
#include "db/listen_source.hpp"
#include "db/preflight.hpp"
#include "db/slot_source.hpp"

#include <cstdlib>
#include <filesystem>
#include <utility>

namespace walcast {

using namespace std::chrono_literals;

namespace {
constexpr auto watch_interval = 5s;

/// systemd's StateDirectory, where there is one.
std::string memory_path() {
    const char *directory = std::getenv("STATE_DIRECTORY");
    return directory && *directory ? std::string(directory) + "/sent.ids" : "";
}

/// $TMPDIR, or /tmp, or /var/tmp when neither is there.
std::string spill_directory(logger &log) {
    std::error_code missing;
    const auto found = std::filesystem::temp_directory_path(missing);
    if (!missing)
        return found.string();
    log.warning("no directory for temporary files, taking /var/tmp: see $TMPDIR",
                {{"problem", missing.message()}});
    return "/var/tmp";
}

retention::limits limits_of(std::size_t wal_bytes, std::chrono::milliseconds age) {
    return {wal_bytes, std::chrono::microseconds(age).count()};
}
} // namespace

source_supervisor::source_supervisor(const config &settings, std::string connection, query_pool &queries,
                                     batch_sink sink, std::function<bool()> overloaded,
                                     std::function<lsn()> settled, logger &log)
    : settings_(settings)
    , connection_(std::move(connection))
    , queries_(queries)
    , sink_(std::move(sink))
    , overloaded_(std::move(overloaded))
    , settled_(std::move(settled))
    , log_(log) {
    before_.kind = "none";
    before_.state = "connecting";
}

source_supervisor::~source_supervisor() {
    stop();
}

void source_supervisor::start() {
    thread_ = std::thread([this] {
        choose();
        watch();
    });
}

void source_supervisor::choose() {
    backoff patience(200ms, 10s);
    std::string said;
    for (;;) {
        preflight found;
        try {
            const auto connection = open_connection(connection_);
            found = look_at_database(*connection, settings_.publication, settings_.slot);
        } catch (const std::exception &error) {
            found.problem = one_line(error.what());
        }
        std::unique_lock lock(mutex_);
        if (stopping_)
            return;
        const bool wants_slot = settings_.source != source_choice::listener;
        const bool takes_listener = settings_.source != source_choice::slot;
        if (found.usable && ((wants_slot && found.slot_usable) || takes_listener)) {
            const bool by_slot = wants_slot && found.slot_usable;
            if (by_slot)
                source_ = make_slot_source();
            else
                source_ = std::make_unique<listen_source>(
                    listen_options{.connection = connection_,
                                   .reason = wants_slot ? found.problem : "Walcast.Source is listener",
                                   .memory = memory_path()},
                    sink_, overloaded_, log_);
            if (by_slot || !wants_slot)
                log_.info("source chosen", {{"source", by_slot ? "slot" : "listener"}});
            else
                log_.warning("the slot cannot be used: listening instead, so changes without a row in logs "
                             "are not seen",
                             {{"source", "listener"}, {"reason", found.problem}});
            source_->start();
            return;
        }
        before_.problem = found.problem;
        if (std::exchange(said, found.problem) != found.problem)
            log_.error("the database cannot be used yet", {{"problem", found.problem}});
        wake_.wait_for(lock, patience.next(), [this] { return stopping_; });
    }
}

std::unique_ptr<source> source_supervisor::make_slot_source() {
    slot_options options{.connection = connection_,
                         .replication = {.slot = settings_.slot,
                                         .publication = settings_.publication,
                                         .streaming = settings_.stream_transactions},
                         .keep = limits_of(settings_.retention_bytes, settings_.retention_age),
                         .spill_directory = spill_directory(log_),
                         .memory = memory_path(),
                         .settled = settled_};
    if (!settings_.wait_visible)
        return std::make_unique<slot_source>(std::move(options), sink_, overloaded_, log_);
    gate_ = std::make_unique<visibility_gate>(
        connection_, sink_, [this] { resume(); }, log_);
    options.received = [this](lsn decoded) { return gate_->let_go(decoded); };
    gate_->start();
    return std::make_unique<slot_source>(
        std::move(options), [this](batch next) { gate_->take(std::move(next)); },
        [this] { return gate_->full() || overloaded_(); }, log_);
}

void source_supervisor::watch() {
    std::unique_lock lock(mutex_);
    auto *const watched = slot();
    while (watched && !wake_.wait_for(lock, watch_interval, [this] { return stopping_; })) {
        lock.unlock();
        queries_.submit_once(
            [watched](pqxx::connection_base &on) {
                pqxx::read_transaction in(on);
                const auto end = in.exec1("SELECT pg_catalog.pg_current_wal_flush_lsn()::text")[0];
                watched->expect_position(parse_lsn(end.as<std::string>()).value_or(lsn{}));
                in.commit();
            },
            [](const std::string &) {}); // whoever needs an answer complains
        lock.lock();
    }
}

void source_supervisor::stop() {
    {
        const std::scoped_lock lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_all();
    if (thread_.joinable())
        thread_.join();
    if (source_)
        source_->stop();
    if (gate_)
        gate_->stop();
}

source_status source_supervisor::status() const {
    const std::scoped_lock lock(mutex_);
    auto made = source_ ? source_->status() : before_;
    if (gate_)
        made.held = gate_->status();
    return made;
}

void source_supervisor::resume() {
    const std::scoped_lock lock(mutex_);
    if (source_)
        source_->resume();
}

void source_supervisor::request_position(lsn target) {
    const std::scoped_lock lock(mutex_);
    if (source_)
        source_->request_position(target);
}

void source_supervisor::retain(std::size_t wal_bytes, std::chrono::milliseconds age) {
    const std::scoped_lock lock(mutex_);
    if (auto *const kept = slot())
        kept->retain(limits_of(wal_bytes, age));
}

slot_source *source_supervisor::slot() const {
    return dynamic_cast<slot_source *>(source_.get());
}

} // namespace walcast
