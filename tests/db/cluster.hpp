#pragma once

#include "tests/support/postgres.hpp"

#include <string>

namespace walcast::testing {

/// The cluster that all test cases of this program share, started when first asked for. main() stops it.
[[nodiscard]] private_postgres &cluster();

/// A new database with Arvados' tables, and nothing of walcast in it. Each call gives another name.
[[nodiscard]] std::string new_database();

/// The first line in which two texts differ, for a readable failure; empty when they are equal.
[[nodiscard]] std::string first_difference(const std::string &one, const std::string &other);

} // namespace walcast::testing
