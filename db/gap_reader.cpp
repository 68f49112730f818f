#include "db/gap_reader.hpp"

#include "db/logs_row.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace walcast {

namespace {
/// Ids that were given out, and not yet committed, when so many greater ones had been.
constexpr std::int64_t looked_back_ids = 10'000;

/// Whether the transaction that wrote the row was over in a snapshot. Rows have 32 bits of its number; the
/// upper ones are those that make it the newest that is not in the future.
constexpr const char *was_visible = "pg_catalog.pg_visible_in_snapshot(greatest(3, m.newest - ((m.newest - "
                                    "l.xmin::text::bigint) & 4294967295))"
                                    "::text::pg_catalog.xid8, '{}')";
} // namespace

std::int64_t gap_begin(const coverage &before, const coverage &now) {
    if (before.table == now.table)
        return std::max<std::int64_t>(0, before.greatest - looked_back_ids);
    return now.greatest < before.greatest ? 0 : before.greatest;
}

log_page read_gap(pqxx::connection_base &on, const coverage &before, const coverage &now, std::int64_t after,
                  std::uint32_t limit) {
    pqxx::read_transaction in(on);
    const auto is_new = before.table != now.table ? std::string("true")
                                                  : fmt::format("(l.id > {} OR NOT {})", before.greatest,
                                                                fmt::format(was_visible, before.snapshot));
    std::string columns = "l." + std::string(logs_columns);
    for (std::size_t at = 0; (at = columns.find(", ", at)) != std::string::npos; at += 4)
        columns.replace(at, 2, ", l.");
    const auto found = in.exec(
        select_page(fmt::format("SELECT {}, l.id AS n FROM logs AS l, (SELECT pg_catalog.pg_snapshot_xmax("
                                "pg_catalog.pg_current_snapshot())::text::bigint AS newest) AS m"
                                " WHERE l.id > {} AND {} ORDER BY l.id LIMIT {}",
                                columns, after, is_new, limit)));
    log_page page;
    page.as_of =
        parse_lsn(in.exec1("SELECT pg_catalog.pg_current_wal_insert_lsn()::text")[0].as<std::string>())
            .value_or(lsn{});
    for (const auto &row : found)
        page.rows.push_back(to_transaction(row, lsn{1}, 0));
    const auto extent = extent_of(found);
    page.last = extent.taken > 0 ? extent.last : after;
    page.more = extent.cut() || extent.found >= limit;
    in.commit();
    return page;
}

} // namespace walcast
