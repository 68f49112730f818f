#pragma once

#include "db/coverage.hpp"
#include "db/logs_reader.hpp"

#include <cstdint>
#include <pqxx/pqxx>

namespace walcast {

/// Rows of `logs` that committed after `before`, an earlier look at the table, with ids over `after`
/// and in the order of ids: a page of them. What a stream that had a gap did not bring is among them.
///
/// A row gets its id long before it commits. So ids that were given out before the look count as well, if the
/// transaction that wrote them was not over by then; but not those far below, which would mean reading the
/// table. A row written in a savepoint that was open during the look is taken for an old one.
///
/// After the table was made anew there are no old rows to tell by their transactions. If its ids go on above
/// those of the old one, greater ids are new; if they began again, all are.
[[nodiscard]] log_page read_gap(pqxx::connection_base &on, const coverage &before, const coverage &now,
                                std::int64_t after, std::uint32_t limit);

/// Where to begin: `after` of the first page.
[[nodiscard]] std::int64_t gap_begin(const coverage &before, const coverage &now);

} // namespace walcast
