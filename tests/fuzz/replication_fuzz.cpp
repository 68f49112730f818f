// What the server says around pgoutput: messages in CopyBoth mode, and the answers in the dialogue that leads
// to it. Each record is one cell of an answer.

#include "db/replication_fsm.hpp"

#include "db/retention.hpp"
#include "tests/fuzz/records.hpp"
#include "tests/fuzz/require.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <variant>

using namespace walcast;
using fuzz::require;

namespace {

/// What PostgreSQL reads between the quotes; fails where the text is not one quoted thing.
std::string between_quotes(std::string_view text, char quote) {
    require(text.size() >= 2 && text.front() == quote && text.back() == quote, "quoted");
    text = text.substr(1, text.size() - 2);
    std::string read;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text[at] == quote)
            require(++at < text.size() && text[at] == quote, "quotes within are doubled");
        read += text[at];
    }
    return read;
}

void check_quotes(std::string_view text) {
    require(between_quotes(quote_identifier(text), '"') == text, "an identifier is read as it was");
    require(between_quotes(quote_literal(text), '\'') == text, "a literal is read as it was");
}

void check_copy_message(std::string_view bytes) {
    const auto read = parse_replication_message(bytes);
    if (!read)
        return;
    if (const auto *data = std::get_if<xlog_data>(&*read))
        require(bytes.front() == 'w' && bytes.substr(25) == data->bytes,
                "XLogData is what stands behind its head");
    else
        require(bytes.front() == 'k' && bytes.size() == 18, "a keepalive has 18 bytes");
}

query_result answer(const std::vector<std::string_view> &records, std::size_t &at) {
    query_result made;
    const auto shape = fuzz::record_at(records, at++);
    const auto number = [&](std::size_t place) {
        return place < shape.size() ? static_cast<unsigned char>(shape[place]) : 0U;
    };
    made.what = static_cast<query_result::kind>(number(0) % 4);
    made.sqlstate = fuzz::record_at(records, at++);
    made.message = fuzz::record_at(records, at++);
    made.rows.resize(number(1) % 3);
    for (auto &row : made.rows)
        for (unsigned column = 0; column < number(2) % 16; ++column) {
            const auto cell = fuzz::record_at(records, at++);
            row.push_back(cell == "NULL" ? std::nullopt : std::optional<std::string>(cell));
        }
    return made;
}

void check_dialogue(const std::vector<std::string_view> &records) {
    constexpr std::array<std::string_view, 9> verbs{
        "IDENTIFY_SYSTEM",         "TIMELINE_HISTORY ",       "SELECT ",
        "DROP_REPLICATION_SLOT ",  "BEGIN READ ONLY ",        "CREATE_REPLICATION_SLOT ",
        "ALTER_REPLICATION_SLOT ", "START_REPLICATION SLOT ", "COMMIT"};
    std::size_t at = 0;
    const auto next_record = [&] { return fuzz::record_at(records, at++); };
    replication_settings settings;
    settings.slot = next_record();
    settings.publication = next_record();
    const auto wishes = next_record();
    settings.remake_slot = wishes.find('r') != wishes.npos;
    settings.streaming = wishes.find('s') != wishes.npos;
    replication_past past;
    past.had_slot = wishes.find('h') != wishes.npos;
    past.timeline = static_cast<std::uint32_t>(wishes.size());
    past.system_identifier = next_record();
    past.backend = next_record();
    past.resume = lsn{records.size()};
    replication_fsm machine(settings, past);
    auto next = machine.connected(wishes.size() % 2 == 0 ? 150004 : 170001);
    // A slot that is in use is looked at again and again; behind the last record all answers are empty.
    for (std::size_t turn = 0;; ++turn) {
        require(turn < records.size() + 16, "the dialogue ends");
        if (std::holds_alternative<replication_fsm::slot_in_use>(next)) {
            next = machine.look_again();
        } else if (std::holds_alternative<replication_fsm::slot_made>(next)) {
            require(machine.slot_created(), "a slot that was made is known to be");
            next = machine.go_on();
        } else if (const auto *const query = std::get_if<replication_fsm::send_query>(&next)) {
            require(std::any_of(verbs.begin(), verbs.end(),
                                [&](auto verb) { return query->text.starts_with(verb); }),
                    "the queries are those that are meant");
            const auto of = answer(records, at);
            next = machine.result(of);
            if (of.what == query_result::kind::error)
                require(std::holds_alternative<replication_failure>(next), "an error ends the dialogue");
        } else {
            return;
        }
    }
}

void check_retention(std::string_view bytes) {
    retention kept({.wal_bytes = 100, .age_us = 5'000'000});
    lsn decoded, confirmed;
    std::int64_t now = 0;
    for (const char one : bytes) {
        const auto step = static_cast<unsigned char>(one);
        now += std::int64_t{step & 15U} * 300'000;
        decoded.value += step >> 4U;
        if ((step & 1U) != 0)
            kept.committed(decoded, now);
        const auto next = kept.confirm(decoded, now);
        require(next >= confirmed, "what is confirmed does not go back");
        require(next <= decoded, "nothing is confirmed that was not decoded");
        confirmed = next;
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    const auto records = fuzz::split_records(fuzz::as_text(data, size));
    for (const auto one : records) {
        check_quotes(one);
        check_copy_message(one);
        check_retention(one);
    }
    check_dialogue(records);
    const auto update =
        make_status_update(lsn{size}, lsn{size / 2}, static_cast<std::int64_t>(size), size % 2 == 1);
    require(update.size() == 34 && update.front() == 'r', "a status update has 34 bytes");
    return 0;
}
