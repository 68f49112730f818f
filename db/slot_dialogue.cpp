#include "db/slot_catch_up.hpp"
#include "db/slot_source.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

/// The part of slot_source that leads a connection to where the stream begins: standing by while somebody
/// else has the slot, making it, and reading what a new one will not bring.
namespace walcast {

using namespace std::chrono_literals;

namespace {
/// A slot is not made before all transactions of that time have ended, which may take hours.
constexpr auto making_limit = 3h;
/// A relay that has had no slot yet is a standby when somebody else has it for so long.
constexpr auto standby_after = 5s;
} // namespace

slot_source::awaitable<std::optional<replication_failure>> slot_source::lead(async_connection &connection,
                                                                             replication_fsm &dialogue) {
    auto next = dialogue.connected(connection.server_version());
    for (;;) {
        if (stopping_)
            co_return replication_failure{};
        if (const auto *query = std::get_if<replication_fsm::send_query>(&next)) {
            const auto text = query->text;
            if (!dialogue.database().empty())
                co_await look_at_past(connection, dialogue);
            const auto answer = co_await ask(connection, text);
            next = dialogue.result(answer);
        } else if (const auto *other = std::get_if<replication_fsm::slot_in_use>(&next)) {
            co_await stand_by(other->reader);
            next = dialogue.look_again();
        } else if (std::holds_alternative<replication_fsm::slot_made>(next)) {
            co_await begin_new_slot(connection, dialogue);
            next = dialogue.go_on();
        } else if (auto *failure = std::get_if<replication_failure>(&next)) {
            co_return std::move(*failure);
        } else {
            co_return std::nullopt;
        }
        if (!ready_at_)
            ready_at_ = dialogue.log_end();
    }
}

slot_source::awaitable<query_result> slot_source::ask(async_connection &connection, std::string text) {
    const bool making = text.starts_with("CREATE_REPLICATION_SLOT");
    answer_by_ = std::chrono::steady_clock::now() + (making ? making_limit : options_.silence);
    if (making) // where people find out why it takes so long
        report("making the slot", "waits for the transactions that are open now, prepared ones included");
    co_return co_await connection.query(std::move(text));
}

slot_source::awaitable<void> slot_source::look_at_past(async_connection &connection,
                                                       const replication_fsm &dialogue) {
    auto sent = memory_.open(dialogue.system_identifier() + "/" + dialogue.database());
    if (!sent.empty())
        sent_before_ = std::move(sent);
    // Another relay may have read the slot before us. What it handed over is not to be missed one day.
    const bool taken_over = dialogue.slot_found() && !past_.had_slot && !looked_at_past_;
    if (memory_.begun() && !taken_over)
        co_return;
    looked_at_past_ = looked_at_past_ || taken_over;
    answer_by_ = std::chrono::steady_clock::now() + options_.silence;
    slot_catch_up reader(connection, memory_, {});
    co_await reader.note_past();
}

slot_source::awaitable<void> slot_source::stand_by(const std::string &reader) {
    const auto now = std::chrono::steady_clock::now();
    if (standing_since_ == std::chrono::steady_clock::time_point()) {
        standing_since_ = now;
        log_.info("standing by: somebody else reads the slot",
                  {{"slot", options_.replication.slot}, {"reader", reader}});
    }
    // A moment's overlap is part of a restart. After that, clients are sent to the other relay; whoever comes
    // when this one takes over is told what commits from then on.
    const bool standby = !ready_ && now - standing_since_ > standby_after;
    if (standby)
        ready_at_ = {};
    report("standby", "the slot is read by " + reader);
    {
        const std::scoped_lock lock(status_mutex_);
        status_.standby = standby;
    }
    answer_by_ = now + options_.silence;
    co_await pause(standby_interval);
}

slot_source::awaitable<void> slot_source::begin_new_slot(async_connection &connection,
                                                         const replication_fsm &dialogue) {
    // The stream of this slot has only what commits after it begins; what committed before is read now. Until
    // that is done nobody may believe that it has everything up to here, so the position stays what it was;
    // or begins at nothing, if the log has gone back: then positions of before mean nothing any more.
    const auto at = dialogue.slot_begin();
    note_origin(dialogue, true);
    if (past_.had_slot)
        ++epoch_;
    if (at < decoded_)
        decoded_ = {};
    expected_ = {};
    assembler_.restart(at);
    retention_ = retention(options_.keep);
    if (!ready_)
        ready_at_ = at;
    report("catching up");
    emit(true);
    slot_catch_up reader(connection, memory_, std::max(decoded_, lsn{1}));
    const slot_catch_up::receiver to = [this](std::vector<transaction_ptr> rows) {
        return hand_over_rows(std::move(rows));
    };
    co_await reader.read_rows(sent_before_, to);
    caught_up_ = co_await reader.read_missed(to);
}

void slot_source::began_new_slot(const replication_fsm &dialogue) {
    decoded_ = dialogue.slot_begin();
    emit(true);
    if (!dialogue.slot_lost().empty())
        log_.error(
            "the slot was lost: made a new one, and read what it would have brought from the table; "
            "changes without a row in logs are not among it",
            {{"slot", options_.replication.slot}, {"because", dialogue.slot_lost()}, {"events", caught_up_}});
    else
        log_.info("made the slot", {{"slot", options_.replication.slot}, {"events", caught_up_}});
    const std::scoped_lock lock(status_mutex_);
    status_.slots_lost += !dialogue.slot_lost().empty();
    status_.caught_up += caught_up_;
    status_.epoch = epoch_;
}

void slot_source::note_origin(const replication_fsm &dialogue, bool with_hole) {
    const auto &identifier = dialogue.system_identifier();
    std::from_chars(identifier.data(), identifier.data() + identifier.size(), origin_.system_identifier);
    origin_.timeline = dialogue.timeline();
    // A connection that goes on where the last one stopped leaves no hole.
    if (!origin_.begins || with_hole)
        origin_.begins = dialogue.slot_begin();
    const bool first = !past_.had_slot && sent_before_.empty(); // nobody has a token from before
    origin_.made_anew = origin_.made_anew || (with_hole && !first);
}

slot_source::awaitable<void> slot_source::hand_over_rows(std::vector<transaction_ptr> rows) {
    answer_by_ = std::chrono::steady_clock::now() + options_.silence; // of the query that comes next
    for (auto &row : rows) {
        pending_.bytes += row->footprint();
        pending_.transactions.push_back(std::move(row));
    }
    emit();
    while (overloaded_() && !stopping_) {
        answer_by_ = std::chrono::steady_clock::now() + options_.silence;
        co_await pause(100ms);
    }
}

void slot_source::began(const replication_fsm &dialogue) {
    if (dialogue.slot_created())
        began_new_slot(dialogue);
    sent_before_.clear(); // the slot has kept what matters
    standing_since_ = {};
    past_.system_identifier = dialogue.system_identifier();
    past_.timeline = dialogue.timeline();
    past_.backend = dialogue.backend();
    past_.had_slot = true;
    note_origin(dialogue, false);
    retention_.begin(dialogue.slot_begin());
    confirmed_ = dialogue.slot_begin();
    keep_cap_ = dialogue.slot_keep_bytes().value_or(0) / 2;
    retain(options_.keep);
    if (!dialogue.slot_keep_bytes() && !ready_)
        log_.warning("max_slot_wal_keep_size is unlimited: should this relay ever be away for long, its slot "
                     "would fill the database's disk; set it, to 4GB say",
                     {{"slot", options_.replication.slot}});
    {
        const std::scoped_lock lock(status_mutex_);
        status_.system_identifier = dialogue.system_identifier();
        status_.timeline = dialogue.timeline();
        status_.log_end = dialogue.log_end();
        status_.confirmed = confirmed_;
        status_.slot_keep_bytes = dialogue.slot_keep_bytes();
        status_.standby = false;
    }
    log_.info("replication started", {{"slot", options_.replication.slot},
                                      {"from", to_string(past_.resume)},
                                      {"log_end", to_string(dialogue.log_end())},
                                      {"created", dialogue.slot_created()}});
    report(ready_ ? "streaming" : "refilling", disk_problem_);
    streaming_ = true;
}

} // namespace walcast
