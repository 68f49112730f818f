#include "db/coverage.hpp"

#include "db/logs_row.hpp"
#include "db/secret_columns.hpp"

#include <fmt/format.h>

namespace walcast {

namespace {

/// The table by itself: its OID, its kind, columns that are missing, columns of a type that does not do.
constexpr const char *table_query = R"(
SELECT c.oid, c.relkind,
    (SELECT string_agg(wanted, ', ') FROM unnest(string_to_array({columns}, ', ')) AS wanted
     WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a
                       WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attname = wanted)),
    (SELECT string_agg(format('%s is %s', a.attname, pg_catalog.format_type(a.atttypid, null)), ', ')
     FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
     WHERE a.attrelid = c.oid AND a.attnum > 0
       AND (a.attname = 'id' AND coalesce(nullif(t.typbasetype, 0), t.oid)
                NOT IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)
            OR a.attname = 'event_at' AND coalesce(nullif(t.typbasetype, 0), t.oid)
                NOT IN ('timestamp'::regtype, 'timestamptz'::regtype))),
    (SELECT string_agg(format('%s:%s', a.attnum, a.xmin), ' ' ORDER BY a.attnum)
     FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0),
    EXISTS (SELECT FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
            WHERE a.attrelid = c.oid AND a.attname = 'id' AND coalesce(nullif(t.typbasetype, 0), t.oid)
                IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype))
FROM pg_catalog.pg_class c WHERE c.oid = to_regclass('logs'))";

/// The publication, and the table's place in it.
constexpr const char *publication_query = R"(
SELECT p.pubinsert, p.pubupdate AND p.pubdelete AND p.pubtruncate,
    p.puballtables OR r.oid IS NOT NULL OR n.oid IS NOT NULL,
    r.prqual IS NOT NULL,
    (SELECT string_agg(a.attname, ', ') FROM pg_catalog.pg_attribute a
     WHERE a.attrelid = {table} AND a.attnum > 0 AND NOT a.attisdropped
       AND a.attname = ANY (string_to_array({columns}, ', ')) AND NOT a.attnum = ANY (r.prattrs)),
    format('%s:%s %s:%s %s', p.oid, p.xmin, r.oid, r.xmin, n.oid)
FROM pg_catalog.pg_publication p
LEFT JOIN pg_catalog.pg_publication_rel r ON r.prpubid = p.oid AND r.prrelid = {table}
LEFT JOIN pg_catalog.pg_publication_namespace n ON n.pnpubid = p.oid
    AND n.pnnspid = (SELECT relnamespace FROM pg_catalog.pg_class WHERE oid = {table})
WHERE p.pubname = {publication})";

constexpr const char *secrets_query = R"(
SELECT string_agg(format('%s.%s', c.relname, a.attname), ', ' ORDER BY c.relname, a.attname)
FROM pg_catalog.pg_publication p
CROSS JOIN (VALUES {secrets}) AS secret ("table", "column")
JOIN pg_catalog.pg_class c ON c.relname = secret."table" AND c.relkind IN ('r', 'p')
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = secret."column" AND NOT a.attisdropped
LEFT JOIN pg_catalog.pg_publication_rel r ON r.prpubid = p.oid AND r.prrelid = c.oid
WHERE p.pubname = {publication}
  AND (p.puballtables OR r.oid IS NOT NULL AND (r.prattrs IS NULL OR a.attnum = ANY (r.prattrs))
       OR EXISTS (SELECT FROM pg_catalog.pg_publication_namespace n
                  WHERE n.pnpubid = p.oid AND n.pnnspid = c.relnamespace)))";

/// What `walcast migrate up` would do, if we may see it.
constexpr const char *plan_query = R"(
SELECT to_regclass('walcast.cover_plan') IS NOT NULL
    AND pg_catalog.has_schema_privilege('walcast', 'USAGE')
    AND pg_catalog.has_table_privilege('walcast.cover_plan', 'SELECT'))";

void add(std::string &to, const std::string &what) {
    to += to.empty() ? what : "; " + what;
}

/// What is wrong with the table itself.
std::string look_at_table(const pqxx::row &table) {
    if (!table[2].is_null())
        return fmt::format("table logs lacks {}, so its rows cannot be sent", table[2].c_str());
    if (!table[3].is_null())
        return fmt::format("in table logs {}, so its rows cannot be sent", table[3].c_str());
    return {};
}

/// What is wrong with the place of the table in the publication.
std::string look_at_publication(const pqxx::row &found, const std::string &kind, const std::string &name) {
    if (!found[0].as<bool>())
        return fmt::format(
            "publication {} does not publish inserts: run \"alter publication {} set (publish = "
            "'insert, update, delete, truncate')\"",
            name, name);
    if (kind != "r")
        return "logs is not an ordinary table, which a slot cannot follow: set Walcast.Source to listener";
    if (!found[2].as<bool>())
        return "table logs is not published: run `walcast migrate up`";
    if (found[3].as<bool>())
        return fmt::format(
            "publication {} has a row filter on logs, so rows are missing: run \"alter publication "
            "{} drop table logs\", then `walcast migrate up`",
            name, name);
    if (!found[4].is_null())
        return fmt::format("columns of logs are not published: {}: run `walcast migrate up`",
                           found[4].c_str());
    return {};
}

} // namespace

coverage look_at_coverage(pqxx::connection_base &on, const std::string &publication) {
    // One snapshot for all.
    pqxx::transaction<pqxx::repeatable_read> in(on);
    coverage seen;
    const auto columns = in.quote(std::string(logs_columns));
    const auto tables = in.exec(fmt::format(table_query, fmt::arg("columns", columns)));
    if (tables.empty()) {
        seen.problem = "there is no table logs";
        return seen;
    }
    const auto &table = tables[0];
    seen.table = table[0].as<std::uint32_t>();
    seen.shape = fmt::format("{} {} {}", seen.table, table[1].c_str(), table[4].c_str());
    seen.problem = look_at_table(table);
    if (!publication.empty()) {
        const auto found = in.exec(fmt::format(publication_query, fmt::arg("table", seen.table),
                                               fmt::arg("columns", columns),
                                               fmt::arg("publication", in.quote(publication))));
        if (found.empty()) {
            add(seen.problem,
                fmt::format("publication {} does not exist: run `walcast migrate up`", publication));
        } else {
            if (const auto wrong = look_at_publication(found[0], table[1].as<std::string>(), publication);
                !wrong.empty())
                add(seen.problem, wrong);
            seen.shape += found[0][5].c_str();
        }
        seen.events = seen.problem.empty();
        const auto leaks = in.exec1(fmt::format(secrets_query, fmt::arg("secrets", secret_columns_sql()),
                                                fmt::arg("publication", in.quote(publication))))[0];
        if ((seen.secrets = !leaks.is_null()))
            add(seen.problem, fmt::format("publication {} publishes secrets, which are dropped here: {}: run "
                                          "`walcast migrate up`",
                                          publication, leaks.c_str()));
        if (!found.empty() && found[0][0].as<bool>() && !found[0][1].as<bool>())
            add(seen.problem,
                fmt::format("publication {} does not publish all kinds of changes: run \"alter "
                            "publication {} set (publish = 'insert, update, delete, truncate')\"",
                            publication, publication));
        if (seen.problem.empty() && in.exec1(plan_query)[0].as<bool>()) {
            const auto lacking =
                in.exec1("SELECT string_agg(DISTINCT name, ', ') FROM walcast.cover_plan")[0];
            if (!lacking.is_null())
                seen.problem = fmt::format("not covered: {}: run `walcast migrate up`", lacking.c_str());
        }
    } else {
        seen.events = seen.problem.empty();
    }
    if (table[5].as<bool>()) {
        const auto now =
            in.exec1("SELECT coalesce(max(id), 0), pg_catalog.pg_current_snapshot()::text FROM logs");
        seen.greatest = now[0].as<std::int64_t>();
        seen.snapshot = now[1].as<std::string>();
    }
    in.commit();
    return seen;
}

} // namespace walcast
