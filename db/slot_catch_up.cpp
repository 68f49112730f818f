#include "db/slot_catch_up.hpp"

#include "db/logs_row.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <span>
#include <utility>

namespace walcast {

namespace {

/// Ids looked at at a time, and rows read at a time: a row may be large.
constexpr std::size_t ids_at_a_time = 20'000;
constexpr std::size_t rows_at_a_time = 100;

std::vector<std::int64_t> ids_of(const query_result &from) {
    std::vector<std::int64_t> ids;
    ids.reserve(from.rows.size());
    for (const auto &row : from.rows) {
        const auto text = row.empty() ? std::string() : row[0].value_or("");
        std::int64_t id = 0;
        if (std::from_chars(text.data(), text.data() + text.size(), id).ec == std::errc())
            ids.push_back(id);
    }
    return ids;
}

} // namespace

slot_catch_up::awaitable<query_result> slot_catch_up::ask(std::string text) {
    auto answer = co_await on_.query(std::move(text));
    if (answer.what == query_result::kind::error)
        throw connection_error("reading what was missed: " + answer.message);
    co_return answer;
}

slot_catch_up::awaitable<void> slot_catch_up::note_past() {
    const auto known = co_await ask(fmt::format(
        "SELECT id FROM logs WHERE id > (SELECT max(id) FROM logs) - {} ORDER BY id", event_memory::reach));
    if (memory_.begun())
        memory_.note_past(ids_of(known));
    else
        memory_.note(ids_of(known));
    memory_.begin();
}

slot_catch_up::awaitable<std::uint64_t> slot_catch_up::read_rows(std::vector<std::int64_t> &ids,
                                                                 const receiver &to) {
    std::uint64_t read = 0;
    while (!ids.empty()) {
        const auto some = std::span(ids).first(std::min(ids.size(), rows_at_a_time));
        const auto rows = co_await ask(select_page_by_id(some));
        const auto answered = extent_of(rows.rows).answers(some);
        std::vector<transaction_ptr> transactions;
        for (const auto &row : rows.rows)
            transactions.push_back(to_transaction(row, at_));
        read += transactions.size();
        co_await to(std::move(transactions));
        ids.erase(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(answered));
    }
    co_return read;
}

slot_catch_up::awaitable<std::uint64_t> slot_catch_up::read_missed(const receiver &to) {
    const auto state = co_await ask("SELECT coalesce(max(id), 0) FROM logs");
    const auto greatest = ids_of(state);
    const auto kept = co_await ask("SELECT pg_catalog.current_setting('track_commit_timestamp')");
    const bool in_commit_order = !kept.rows.empty() && kept.rows[0][0] == "on";
    co_await ask(
        fmt::format("DECLARE missed NO SCROLL CURSOR FOR SELECT id FROM logs WHERE id > {} ORDER BY {}id",
                    memory_.floor(greatest.empty() ? 0 : greatest[0]),
                    in_commit_order ? "pg_catalog.pg_xact_commit_timestamp(xmin) NULLS FIRST, " : ""));
    std::uint64_t read = 0;
    for (;;) {
        const auto some = co_await ask(fmt::format("FETCH {} FROM missed", ids_at_a_time));
        auto ids = ids_of(some);
        if (ids.empty())
            co_return read;
        std::erase_if(ids, [this](std::int64_t id) { return memory_.contains(id); });
        read += co_await read_rows(ids, to);
    }
}

} // namespace walcast
