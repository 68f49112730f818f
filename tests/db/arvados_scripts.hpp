#pragma once

#include <string>
#include <vector>

namespace walcast::testing {

/// One kind of thing that Arvados does to its database.
struct arvados_script {
    enum class mode {
        transaction, ///< all statements in one
        single, ///< each statement by itself: `create index concurrently` and `vacuum` refuse a transaction
    };

    std::string name;
    std::vector<std::string> statements; ///< `$W` is the worker's number, `$N` the round
    mode how = mode::transaction;
    unsigned workers = 2; ///< how many run it; one where two would be in each other's way
};

/// The kinds of statement that Arvados makes on the tables walcast follows. By themselves they never fail, if
/// each worker has a number of its own: its rows are its own, and whoever takes more than one lock takes
/// materialized_permissions first, as Arvados does.
[[nodiscard]] const std::vector<arvados_script> &arvados_scripts();

} // namespace walcast::testing
