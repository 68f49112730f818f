#include "db/replication_fsm.hpp"

#include "server/feed/value.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <sstream>
#include <utility>

namespace walcast {

namespace {

// SQLSTATEs that the conversation tells apart (PostgreSQL, appendix A).
constexpr std::string_view object_in_use = "55006";
constexpr std::string_view undefined_object = "42704";
constexpr std::string_view insufficient_privilege = "42501";
constexpr std::string_view object_not_in_prerequisite_state = "55000";
constexpr std::string_view configuration_limit_exceeded = "53400";

std::string quoted(std::string_view text, char quote) {
    std::string made(1, quote);
    for (const char c : text) {
        if (c == quote)
            made += quote;
        made += c;
    }
    return made += quote;
}

template <class Integer>
Integer to_number(std::string_view text) {
    Integer number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

std::uint64_t read_uint64(std::string_view bytes) {
    std::uint64_t number = 0;
    for (const char byte : bytes.substr(0, 8))
        number = number << 8 | static_cast<unsigned char>(byte);
    return number;
}

void append_uint64(std::string &to, std::uint64_t number) {
    for (int shift = 56; shift >= 0; shift -= 8)
        to += static_cast<char>(number >> shift);
}

replication_failure failure(replication_failure::remedy what_to_do, std::string why) {
    return {what_to_do, std::move(why)};
}

using remedy = replication_failure::remedy;

} // namespace

std::string quote_identifier(std::string_view name) {
    return quoted(name, '"');
}

std::string quote_literal(std::string_view text) {
    return quoted(text, '\'');
}

replication_fsm::replication_fsm(replication_settings settings, replication_past past)
    : settings_(std::move(settings))
    , past_(std::move(past)) {}

replication_fsm::action replication_fsm::connected(int server_version) {
    server_version_ = server_version;
    state_ = state::identifying;
    return send_query{"IDENTIFY_SYSTEM"};
}

replication_fsm::action replication_fsm::result(const query_result &of) {
    if (of.what == query_result::kind::error)
        return explain(of);
    switch (state_) {
    case state::identifying:
        return identified(of);
    case state::reading_history:
        return history_read(of);
    case state::inspecting:
        return inspected(of);
    case state::terminating:
        return inspect();
    case state::dropping:
        return begin();
    case state::beginning:
        return create();
    case state::creating:
        // slot_name, consistent_point, snapshot_name, output_plugin
        if (of.rows.size() == 1 && of.rows[0].size() > 1)
            slot_begin_ = parse_lsn(of.rows[0][1].value_or("")).value_or(lsn{});
        slot_created_ = true;
        state_ = state::made;
        return slot_made{};
    case state::committing:
        state_ = state::keeping;
        return send_query{fmt::format("SELECT pg_catalog.pg_copy_logical_replication_slot({}, {}, false)",
                                      quote_literal(making_name()), quote_literal(settings_.slot))};
    case state::keeping:
        state_ = state::clearing;
        return send_query{"DROP_REPLICATION_SLOT " + quote_identifier(making_name())};
    case state::clearing:
        return knows_failover() ? alter() : start();
    case state::altering:
        return start();
    case state::starting:
        if (of.what != query_result::kind::copy_both)
            break;
        state_ = state::streaming;
        return streaming{};
    case state::idle:
    case state::waiting:
    case state::made:
    case state::streaming:
        break;
    }
    return failure(remedy::reconnect, "the server answered out of turn");
}

replication_fsm::action replication_fsm::go_on() {
    state_ = state::committing;
    return send_query{"COMMIT"};
}

replication_fsm::action replication_fsm::look_again() {
    return inspect();
}

replication_failure replication_fsm::explain(const query_result &error) const {
    if (error.sqlstate == object_in_use)
        return failure(remedy::wait_for_slot, fmt::format("slot {}: {}", settings_.slot, error.message));
    if (error.sqlstate == undefined_object && (state_ == state::starting || state_ == state::streaming))
        return unpublished(error.message);
    if (error.sqlstate == insufficient_privilege || error.sqlstate == object_not_in_prerequisite_state ||
        error.sqlstate == configuration_limit_exceeded)
        return failure(remedy::give_up, error.message);
    auto made = failure(remedy::reconnect, error.message);
    made.server_fault = state_ == state::streaming && error.sqlstate.starts_with("XX");
    return made;
}

std::optional<replication_failure> replication_fsm::explain_warning(const query_result &warning) const {
    // Until PostgreSQL 17 changes from when there was no publication are an error. From 18 on they are left
    // out, with this warning: what follows has a gap.
    // Others have the same SQLSTATE.
    if (state_ == state::streaming && warning.function == "LoadPublications")
        return unpublished(warning.message);
    return std::nullopt;
}

replication_failure replication_fsm::unpublished(std::string_view why) const {
    return failure(
        remedy::remake_slot,
        fmt::format("slot {} has changes from when there was no publication: {}", settings_.slot, why));
}

replication_fsm::action replication_fsm::identified(const query_result &of) {
    // systemid, timeline, xlogpos, dbname
    if (of.rows.size() != 1 || of.rows[0].size() < 4 || !of.rows[0][0] || !of.rows[0][1] || !of.rows[0][2])
        return failure(remedy::reconnect, "IDENTIFY_SYSTEM: unexpected answer");
    system_identifier_ = *of.rows[0][0];
    timeline_ = to_number<std::uint32_t>(*of.rows[0][1]);
    log_end_ = parse_lsn(*of.rows[0][2]).value_or(lsn{});
    common_end_ = log_end_;
    database_ = of.rows[0][3].value_or("");
    if (past_.timeline == 0 || past_.timeline == timeline_ || past_.system_identifier != system_identifier_)
        return inspect();
    state_ = state::reading_history;
    return send_query{fmt::format("TIMELINE_HISTORY {}", timeline_)};
}

replication_fsm::action replication_fsm::history_read(const query_result &of) {
    // filename, content: lines of timeline, where it was left, why
    if (of.rows.size() != 1 || of.rows[0].size() < 2)
        return failure(remedy::reconnect, "TIMELINE_HISTORY: unexpected answer");
    std::istringstream content(of.rows[0][1].value_or(""));
    std::uint32_t timeline = 0;
    std::string left;
    common_end_ = {}; // unless it turns up: then ours is no ancestor of this one
    for (std::string line; std::getline(content, line);) {
        std::istringstream fields(line);
        if (fields >> timeline >> left && timeline == past_.timeline)
            common_end_ = parse_lsn(left).value_or(lsn{});
    }
    return inspect();
}

replication_fsm::action replication_fsm::inspect() {
    state_ = state::inspecting;
    // One row in any case; the slot's columns are null when there is none.
    return send_query{fmt::format(
        "SELECT s.plugin, s.database, s.wal_status, s.confirmed_flush_lsn,"
        " EXISTS (SELECT FROM pg_catalog.pg_publication WHERE pubname = {}),"
        " (SELECT setting::bigint FROM pg_catalog.pg_settings WHERE name = 'max_slot_wal_keep_size'),"
        " s.active_pid, (SELECT backend_start FROM pg_catalog.pg_stat_activity WHERE pid = s.active_pid),"
        " pg_catalog.pg_backend_pid(),"
        " (SELECT backend_start FROM pg_catalog.pg_stat_activity WHERE pid = pg_catalog.pg_backend_pid()), "
        "{},"
        " pg_catalog.pg_current_wal_flush_lsn()"
        " FROM (SELECT 1) AS always LEFT JOIN pg_catalog.pg_replication_slots AS s ON s.slot_name = {}",
        quote_literal(settings_.publication), knows_failover() ? "s.failover" : "NULL",
        quote_literal(settings_.slot))};
}

replication_fsm::action replication_fsm::inspected(const query_result &of) {
    if (of.rows.size() != 1 || of.rows[0].size() != 12)
        return failure(remedy::reconnect, "pg_replication_slots: unexpected answer");
    const auto &row = of.rows[0];
    const auto &plugin = row[0], &database = row[1], &status = row[2];
    log_end_ = std::max(log_end_, parse_lsn(row[11].value_or("")).value_or(lsn{}));
    process_ = row[8].value_or("");
    backend_ = fmt::format("{} since {}", row[8].value_or("?"), row[9].value_or("?"));
    if (row[5] && !row[5]->starts_with('-'))
        slot_keep_bytes_ = to_number<std::uint64_t>(*row[5]) << 20; // the setting counts megabytes
    if (row[4] != "t")
        return failure(remedy::give_up, fmt::format("publication {} does not exist: run `walcast migrate up`",
                                                    settings_.publication));
    if (!plugin) {
        if (past_.had_slot)
            slot_lost_ = "it was dropped";
        return begin();
    }
    if (*plugin != "pgoutput" || database != database_)
        return failure(
            remedy::give_up,
            fmt::format("slot {} belongs to plugin {} in database {}: set Walcast.Slot to a name of its own",
                        settings_.slot, *plugin, database.value_or("(none)")));
    if (row[6])
        return in_use(*row[6], row[7].value_or("?"));
    slot_begin_ = parse_lsn(row[3].value_or("")).value_or(lsn{});
    if (status == "lost")
        slot_lost_ = "the server has removed its WAL, or invalidated it";
    else if (settings_.remake_slot)
        slot_lost_ = "it has changes that cannot be read";
    else if (!past_.system_identifier.empty() && past_.system_identifier != system_identifier_)
        slot_lost_ = "the database has moved to another cluster";
    else if (past_.resume > common_end_)
        slot_lost_ = fmt::format("the log up to {} is not what was read before, up to {}: the database was "
                                 "restored, or failed over to a standby that had not got everything",
                                 to_string(common_end_), to_string(past_.resume));
    if (!slot_lost_.empty()) {
        state_ = state::dropping;
        return send_query{"DROP_REPLICATION_SLOT " + quote_identifier(settings_.slot)};
    }
    slot_found_ = true;
    return row[10] == "f" ? alter() : start();
}

replication_fsm::action replication_fsm::in_use(const std::string &reader, const std::string &reader_began) {
    // Our own last connection, which broke without the server's noticing: it would keep the slot until
    // wal_sender_timeout. By process number and start, so that it can be nobody else.
    if (fmt::format("{} since {}", reader, reader_began) == past_.backend) {
        past_.backend.clear(); // once
        state_ = state::terminating;
        return send_query{
            fmt::format("SELECT pg_catalog.pg_terminate_backend(pid, 5000)"
                        " FROM pg_catalog.pg_stat_activity WHERE pid = {} AND backend_start = {}",
                        reader, quote_literal(reader_began))};
    }
    state_ = state::waiting;
    return slot_in_use{"process " + reader};
}

replication_fsm::action replication_fsm::begin() {
    state_ = state::beginning;
    past_.resume = {};
    return send_query{"BEGIN READ ONLY ISOLATION LEVEL REPEATABLE READ"};
}

replication_fsm::action replication_fsm::create() {
    state_ = state::creating;
    return send_query{fmt::format("CREATE_REPLICATION_SLOT {} TEMPORARY LOGICAL pgoutput (SNAPSHOT 'use')",
                                  quote_identifier(making_name()))};
}

std::string replication_fsm::making_name() const {
    constexpr std::size_t longest = 63;
    const auto end = "_" + process_;
    return settings_.slot.substr(0, longest - end.size()) + end;
}

replication_fsm::action replication_fsm::alter() {
    state_ = state::altering;
    return send_query{
        fmt::format("ALTER_REPLICATION_SLOT {} (FAILOVER true)", quote_identifier(settings_.slot))};
}

replication_fsm::action replication_fsm::start() {
    state_ = state::starting;
    // publication_names is itself a list of identifiers within a literal.
    return send_query{
        fmt::format("START_REPLICATION SLOT {} LOGICAL {} (proto_version '{}', publication_names {}, "
                    "messages 'true', binary '{}', streaming '{}')",
                    quote_identifier(settings_.slot), to_string(past_.resume), settings_.protocol_version,
                    quote_literal(quote_identifier(settings_.publication)), settings_.binary,
                    settings_.streaming ? "on" : "off")};
}

std::optional<replication_message> parse_replication_message(std::string_view bytes) {
    if (bytes.size() >= 25 && bytes[0] == 'w')
        return xlog_data{lsn{read_uint64(bytes.substr(1))}, bytes.substr(25)};
    if (bytes.size() == 18 && bytes[0] == 'k')
        return keepalive{lsn{read_uint64(bytes.substr(1))}, bytes[17] != 0};
    return std::nullopt;
}

std::string make_status_update(lsn received, lsn flushed, std::int64_t now_us, bool wants_reply) {
    std::string made = "r";
    append_uint64(made, received.value);
    append_uint64(made, flushed.value);
    append_uint64(made, flushed.value);
    append_uint64(made, static_cast<std::uint64_t>(now_us - postgres_epoch_unix_us));
    made += wants_reply ? '\1' : '\0';
    return made;
}

} // namespace walcast
