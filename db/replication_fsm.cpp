#include "db/replication_fsm.hpp"

#include "server/feed/value.hpp"

#include <charconv>
#include <fmt/format.h>
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

replication_fsm::replication_fsm(replication_settings settings, lsn resume)
    : settings_(std::move(settings))
    , resume_(resume) {}

replication_fsm::action replication_fsm::connected() {
    state_ = state::identifying;
    return send_query{"IDENTIFY_SYSTEM"};
}

replication_fsm::action replication_fsm::result(const query_result &of) {
    if (of.what == query_result::kind::error)
        return explain(of);
    switch (state_) {
    case state::identifying:
        return identified(of);
    case state::inspecting:
        return inspected(of);
    case state::dropping:
        return create();
    case state::creating:
        // slot_name, consistent_point, snapshot_name, output_plugin
        if (of.rows.size() == 1 && of.rows[0].size() > 1)
            slot_begin_ = parse_lsn(of.rows[0][1].value_or("")).value_or(lsn{});
        slot_created_ = true;
        return start();
    case state::starting:
        if (of.what != query_result::kind::copy_both)
            break;
        state_ = state::streaming;
        return streaming{};
    case state::idle:
    case state::streaming:
        break;
    }
    return failure(remedy::reconnect, "the server answered out of turn");
}

replication_failure replication_fsm::explain(const query_result &error) const {
    if (error.sqlstate == object_in_use)
        return failure(remedy::wait_for_slot, fmt::format("slot {}: {}", settings_.slot, error.message));
    if (error.sqlstate == undefined_object && (state_ == state::starting || state_ == state::streaming))
        return failure(remedy::remake_slot,
                       fmt::format("slot {} has changes from when there was no publication: {}",
                                   settings_.slot, error.message));
    if (error.sqlstate == insufficient_privilege || error.sqlstate == object_not_in_prerequisite_state ||
        error.sqlstate == configuration_limit_exceeded)
        return failure(remedy::give_up, error.message);
    return failure(remedy::reconnect, error.message);
}

replication_fsm::action replication_fsm::identified(const query_result &of) {
    // systemid, timeline, xlogpos, dbname
    if (of.rows.size() != 1 || of.rows[0].size() < 4 || !of.rows[0][0] || !of.rows[0][1] || !of.rows[0][2])
        return failure(remedy::reconnect, "IDENTIFY_SYSTEM: unexpected answer");
    system_identifier_ = *of.rows[0][0];
    timeline_ = to_number<std::uint32_t>(*of.rows[0][1]);
    log_end_ = parse_lsn(*of.rows[0][2]).value_or(lsn{});
    database_ = of.rows[0][3].value_or("");
    state_ = state::inspecting;
    // One row in any case; the slot's columns are null when there is none.
    return send_query{fmt::format(
        "SELECT s.plugin, s.database, s.wal_status, s.confirmed_flush_lsn,"
        " EXISTS (SELECT FROM pg_catalog.pg_publication WHERE pubname = {}),"
        " (SELECT setting::bigint FROM pg_catalog.pg_settings WHERE name = 'max_slot_wal_keep_size')"
        " FROM (SELECT 1) AS always LEFT JOIN pg_catalog.pg_replication_slots AS s ON s.slot_name = {}",
        quote_literal(settings_.publication), quote_literal(settings_.slot))};
}

replication_fsm::action replication_fsm::inspected(const query_result &of) {
    if (of.rows.size() != 1 || of.rows[0].size() != 6)
        return failure(remedy::reconnect, "pg_replication_slots: unexpected answer");
    const auto &row = of.rows[0];
    if (row[5] && !row[5]->starts_with('-'))
        slot_keep_bytes_ = to_number<std::uint64_t>(*row[5]) << 20; // the setting counts megabytes
    if (row[4] != "t")
        return failure(remedy::give_up, fmt::format("publication {} does not exist: run `walcast migrate up`",
                                                    settings_.publication));
    if (!row[0])
        return create();
    if (*row[0] != "pgoutput" || row[1] != database_)
        return failure(
            remedy::give_up,
            fmt::format("slot {} belongs to plugin {} in database {}: set Walcast.Slot to a name of its own",
                        settings_.slot, *row[0], row[1].value_or("(none)")));
    slot_begin_ = parse_lsn(row[3].value_or("")).value_or(lsn{});
    if (row[2] == "lost" || settings_.remake_slot) {
        slot_was_lost_ = true;
        state_ = state::dropping;
        return send_query{"DROP_REPLICATION_SLOT " + quote_identifier(settings_.slot)};
    }
    return start();
}

replication_fsm::action replication_fsm::create() {
    state_ = state::creating;
    resume_ = {};
    return send_query{fmt::format("CREATE_REPLICATION_SLOT {} LOGICAL pgoutput (SNAPSHOT 'nothing')",
                                  quote_identifier(settings_.slot))};
}

replication_fsm::action replication_fsm::start() {
    state_ = state::starting;
    // publication_names is itself a list of identifiers within a literal.
    return send_query{fmt::format(
        "START_REPLICATION SLOT {} LOGICAL {} (proto_version '{}', publication_names {}, "
        "messages 'true', binary 'true', streaming '{}')",
        quote_identifier(settings_.slot), to_string(resume_), settings_.protocol_version,
        quote_literal(quote_identifier(settings_.publication)), settings_.streaming ? "on" : "off")};
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
