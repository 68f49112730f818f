#include "db/preflight.hpp"

#include <fmt/format.h>

namespace walcast {

preflight look_at_database(pqxx::connection_base &on, const std::string &publication,
                           const std::string &slot) {
    pqxx::read_transaction in(on);
    const auto ask = [&](const std::string &text) { return in.exec1(text)[0]; };
    const auto database = ask("SELECT pg_catalog.current_database()").as<std::string>();
    const auto role = ask("SELECT current_user").as<std::string>();
    for (const auto *table : {"logs", "users", "api_client_authorizations"}) {
        if (ask(fmt::format("SELECT pg_catalog.to_regclass('{}') IS NULL", table)).as<bool>())
            return {.problem = fmt::format("database {} is not an Arvados database: it has no table {}; see "
                                           "PostgreSQL.Connection",
                                           database, table)};
        if (!ask(fmt::format("SELECT pg_catalog.has_any_column_privilege('{}', 'SELECT')", table)).as<bool>())
            return {.problem = fmt::format(
                        "role {} may not read table {}: grant it walcast_relay, or SELECT on the table", role,
                        table)};
    }
    const auto listener = [](std::string why) {
        return preflight{.usable = true, .problem = std::move(why)};
    };
    const auto version = ask("SELECT pg_catalog.current_setting('server_version_num')").as<int>();
    if (version < 150'000)
        return listener(fmt::format(
            "PostgreSQL {} has no column lists, which keep secrets out of the stream: 15 or later "
            "is needed",
            version / 10'000));
    if (ask("SELECT pg_catalog.pg_is_in_recovery()").as<bool>())
        return {.problem = fmt::format("database {} is a standby: connect to the primary", database)};
    const auto level = ask("SELECT pg_catalog.current_setting('wal_level')").as<std::string>();
    if (level != "logical")
        return listener(
            fmt::format("wal_level is {}: set wal_level = logical and restart PostgreSQL", level));
    if (!ask("SELECT rolreplication OR rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user")
             .as<bool>())
        return listener(
            fmt::format("role {} may not replicate: ALTER ROLE {} REPLICATION", role, in.quote_name(role)));
    if (!ask("SELECT EXISTS (SELECT FROM pg_catalog.pg_publication WHERE pubname = " + in.quote(publication) +
             ")")
             .as<bool>())
        return listener(fmt::format("publication {} does not exist: run `walcast migrate up`", publication));
    const auto slots = in.exec1(
        fmt::format("SELECT pg_catalog.count(*), pg_catalog.current_setting('max_replication_slots')::int,"
                    " coalesce(pg_catalog.bool_or(slot_name = {}), false)"
                    " FROM pg_catalog.pg_replication_slots",
                    in.quote(slot)));
    if (!slots[2].as<bool>() && slots[0].as<int>() >= slots[1].as<int>())
        return listener("no replication slot is free: raise max_replication_slots and restart PostgreSQL");
    return {.usable = true, .slot_usable = true, .problem = {}};
}

} // namespace walcast
