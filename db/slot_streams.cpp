#include "db/decode_error.hpp"
#include "db/slot_source.hpp"

#include <fmt/format.h>
#include <utility>

/// The part of slot_source about transactions that are read while they are in progress: what they hold, and
/// what happens when the disk has no room for them.
namespace walcast {

using namespace std::chrono_literals;

namespace {
/// How long a full disk is waited for. What fills it is probably the transaction that we wait to read on, so
/// waiting longer helps only where somebody makes room, and holds up everyone's events.
constexpr auto disk_patience = 10s;
/// After a full disk, connections that begin within this time ask for large transactions whole.
constexpr auto read_whole_time = 10min;
} // namespace

slot_source::awaitable<boost::system::result<void>>
slot_source::wait_for_disk(async_connection &connection, std::string_view payload, std::string problem) {
    problem =
        fmt::format("{} takes nothing of a transaction in progress: {}", options_.spill_directory, problem);
    log_.error("waiting for the disk", {{"problem", problem}, {"on_disk", assembler_.stream_disk()}});
    {
        const std::scoped_lock lock(status_mutex_);
        ++status_.streams.disk_full;
    }
    emit(); // what came before it must not wait
    report("waiting for the disk", problem);
    for (const auto began = std::chrono::steady_clock::now();;) {
        note_streams(true);
        co_await confirm(connection);
        co_await pause(500ms);
        heard_at_ = progress_at_ = std::chrono::steady_clock::now(); // it is us who do not read
        if (stopping_)
            throw connection_error("stopped");
        const auto outcome = assembler_.consume(payload);
        if (outcome || !is_spill_error(outcome.error())) {
            log_.info("the disk takes transactions in progress again");
            report(ready_ ? "streaming" : "refilling");
            co_return outcome;
        }
        if (const auto now = std::chrono::steady_clock::now(); now - began > disk_patience) {
            // Begun anew without streaming, the server keeps large transactions on its own disk until they
            // commit, as it does for most readers, and ours is emptied.
            whole_until_ = now + read_whole_time;
            disk_problem_ = problem + "; large transactions are read whole for now";
            throw connection_error(disk_problem_);
        }
    }
}

void slot_source::note_streams(bool waiting) {
    if (!options_.replication.streaming)
        return;
    const auto &counts = assembler_.counts();
    const std::scoped_lock lock(status_mutex_);
    status_.streams = {.in_progress = assembler_.streams(),
                       .aborted = counts.streams_aborted,
                       .memory_bytes = assembler_.stream_memory(),
                       .disk_bytes = assembler_.stream_disk(),
                       .spilled_bytes = counts.spilled_bytes,
                       .disk_full = status_.streams.disk_full,
                       .waiting = waiting};
}

} // namespace walcast
