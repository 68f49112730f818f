#pragma once

#include "server/access/access_query.hpp"

#include <pqxx/pqxx>

namespace walcast {

/// Answers what the judge asks: rows of materialized_permissions, facts of objects, trashed and frozen
/// groups; all of it in one snapshot, and every table of size through an index.
[[nodiscard]] access_answer read_access(pqxx::connection_base &on, const access_query &query);

} // namespace walcast
