#include "db/logs_reader.hpp"

#include "db/logs_row.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <string>
#include <unordered_map>

namespace walcast {

namespace {

/// A client whose last event is this recent gets all that came after, whatever the replay window.
constexpr int known_row_hours = 24;

lsn read_log_end(pqxx::transaction_base &in) {
    return parse_lsn(in.exec1("SELECT pg_catalog.pg_current_wal_insert_lsn()::text")[0].as<std::string>())
        .value_or(lsn{});
}

/// Returns how many rows there are, and whether some did not come.
page_extent take_page(const pqxx::result &from, log_page &into) {
    for (const auto &row : from)
        into.rows.push_back(to_transaction(row, lsn{1}, 0));
    const auto extent = extent_of(from);
    if (extent.taken > 0)
        into.last = extent.last;
    return extent;
}

} // namespace

log_page read_logs(pqxx::connection_base &on, const std::vector<std::int64_t> &ids) {
    pqxx::read_transaction in(on);
    log_page page;
    page.more = take_page(in.exec(select_page_by_id(ids)), page).cut();
    page.as_of = read_log_end(in);
    in.commit();
    return page;
}

log_page scan_logs(pqxx::connection_base &on, std::int64_t after, std::int64_t window_us,
                   std::uint32_t limit) {
    // One snapshot for all three queries, and the end of the log is read after it was taken.
    pqxx::transaction<pqxx::repeatable_read> in(on);
    log_page page;
    const auto known = in.exec(fmt::format("SELECT created_at >= (statement_timestamp() - interval '{} "
                                           "hours') AT TIME ZONE 'UTC' FROM logs WHERE id = {}",
                                           known_row_hours, after));
    page.exists = !known.empty();
    if (page.exists && known[0][0].as<bool>())
        window_us = 0; // a client that comes back: nothing after what it had is too old for it
    page.last = after;
    if (window_us > 0) {
        // OFFSET 0 keeps the planner to the index on created_at: for a bare min(id) it may walk up the
        // primary key instead, through all of a large table, as the rows that are looked for are at its end.
        const auto first =
            in.exec1(fmt::format("SELECT min(id) FROM (SELECT id FROM logs WHERE created_at >= "
                                 "(statement_timestamp() - interval '{} microseconds')"
                                 " AT TIME ZONE 'UTC' OFFSET 0) AS recent",
                                 window_us))[0];
        if (first.is_null())
            page.last =
                std::max(page.last, in.exec1("SELECT coalesce(max(id), 0) FROM logs")[0].as<std::int64_t>());
        else
            page.last = std::max(page.last, first.as<std::int64_t>() - 1);
    }
    const auto extent = take_page(
        in.exec(select_page(fmt::format("SELECT {}, id AS n FROM logs WHERE id > {} ORDER BY id LIMIT {}",
                                        logs_columns, page.last, limit))),
        page);
    page.more = extent.cut() || extent.found >= limit;
    page.as_of = read_log_end(in);
    in.commit();
    return page;
}

} // namespace walcast
