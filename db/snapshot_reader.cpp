#include "db/snapshot_reader.hpp"

#include "db/secret_columns.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <map>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace walcast {

namespace {

/// Standby or not, the snapshot, and the end of the log. The functions are called when the statement runs,
/// and that is after its snapshot was taken; so what the snapshot sees has been written to the log before
/// this end. A standby has no end of its own, and would answer with an error.
constexpr std::string_view snapshot_columns =
    "SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.pg_current_snapshot()::text,"
    " CASE WHEN pg_catalog.pg_is_in_recovery() THEN NULL"
    " ELSE pg_catalog.pg_current_wal_insert_lsn()::text END";

/// The same, with what the tables look like, a row for each that exists. The settings count until the
/// transaction ends: values in the forms that are understood, whatever the database's defaults.
constexpr std::string_view shapes_query =
    "{}, pg_catalog.set_config('datestyle', 'ISO', true), pg_catalog.set_config('extra_float_digits', '1', "
    "true),"
    " c.relname, c.oid::text, c.relfilenode::text, (SELECT pg_catalog.string_agg(a.attname || ' ' ||"
    " a.atttypid::text || ' ' || a.atttypmod::text, ',' ORDER BY a.attnum) FROM pg_catalog.pg_attribute AS a"
    " WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attname ~ '^[a-z0-9_]+$'"
    " AND pg_catalog.has_column_privilege(c.oid, a.attnum, 'SELECT'))"
    " FROM (SELECT) AS once LEFT JOIN pg_catalog.pg_class AS c ON c.relname IN ({})"
    " AND c.relnamespace = 'public'::pg_catalog.regnamespace AND c.relkind IN ('r', 'p')";
enum : pqxx::row::size_type { standby, seen, insert_lsn, name = 5, oid, filenode, columns };

struct wanted_rows {
    std::vector<uuid_text> objects;
    relation_ptr table;
    std::string oid, filenode;
};
using wanted_classes = std::map<const record_class *, wanted_rows>;

std::string text_of(const pqxx::field &field) {
    return {field.c_str(), field.size()};
}

record_page read_snapshot(const pqxx::row &of) {
    record_page page;
    page.primary = !of[standby].as<bool>();
    if (page.primary) {
        page.seen = visibility::parse(text_of(of[seen]));
        page.insert_lsn = parse_lsn(text_of(of[insert_lsn])).value_or(lsn{});
    }
    return page;
}

/// Takes `a 25 -1` or `a 25 -1,…` from the front.
column take_column(std::string_view &text) {
    column made;
    const auto take = [&text](char until) {
        const auto word = text.substr(0, text.find(until));
        text.remove_prefix(std::min(text.size(), word.size() + 1));
        return word;
    };
    const auto number = [](std::string_view digits, auto &into) {
        std::from_chars(digits.data(), digits.data() + digits.size(), into);
    };
    made.name = take(' ');
    number(take(' '), made.type);
    number(take(','), made.modifier);
    return made;
}

transaction_ptr to_insert(const pqxx::row &of, const relation_ptr &table, lsn at) {
    std::size_t bytes = 0;
    for (const auto field : of)
        bytes += field.size();
    transaction_builder builder;
    builder.begin(0, at, 0);
    builder.add(change_kind::insert, table);
    builder.expect(of.size(), bytes);
    for (const auto field : of)
        if (field.is_null())
            builder.add_new(value_kind::null);
        else
            builder.add_new(value_kind::text, {field.c_str(), field.size()});
    return builder.finish(at);
}

/// Throws if the table has been rewritten since the snapshot. Its lock is held since it was read, so it
/// cannot happen after this.
void check_place(pqxx::transaction_base &in, const wanted_rows &of) {
    const auto now = in.exec1("SELECT pg_catalog.pg_relation_filenode(" + of.oid + ")::text")[0];
    if (text_of(now) != of.filenode)
        throw std::runtime_error("the table " + of.table->name() + " was rewritten while it was read");
}

} // namespace

std::string select_records(const relation &table, const std::vector<uuid_text> &objects) {
    std::string made;
    for (const auto &one : table.columns())
        made.append(made.empty() ? "SELECT \"" : ", \"").append(one.name).append("\"");
    made += fmt::format(" FROM \"{}\".\"{}\" WHERE uuid = ANY ('{{", table.schema(), table.name());
    for (const auto &one : objects)
        made.append(made.back() == '{' ? "" : ",").append(one.view());
    return made += "}'::text[])";
}

relation_ptr snapshot_reader::shape_of(const record_class &of, std::string oid, const std::string &columns) {
    auto described = oid + ' ' + columns;
    const std::scoped_lock lock(mutex_);
    auto &known = shapes_[&of];
    if (known.described == described)
        return known.table;
    std::vector<column> made;
    for (std::string_view rest = columns; !rest.empty();) {
        auto one = take_column(rest);
        const bool published =
            std::find(of.published.begin(), of.published.end(), one.name) != of.published.end();
        if (published && !is_secret(of.table, one.name))
            made.push_back(std::move(one));
    }
    known.described = std::move(described);
    known.table = nullptr;
    const bool has_uuid =
        std::any_of(made.begin(), made.end(), [](const auto &one) { return one.name == "uuid"; });
    if (has_uuid)
        known.table = std::make_shared<relation>(static_cast<std::uint32_t>(std::stoul(oid)), "public",
                                                 of.table, 'd', std::move(made));
    return known.table;
}

record_page snapshot_reader::read(pqxx::connection_base &on, const std::vector<uuid_text> &objects) {
    wanted_classes wanted;
    for (const auto &one : objects)
        if (const auto *of = classes_.of_uuid(one.view()))
            wanted[of].objects.push_back(one);
    if (wanted.empty()) {
        pqxx::nontransaction in(on);
        return read_snapshot(in.exec1(std::string(snapshot_columns)));
    }

    pqxx::transaction<pqxx::repeatable_read, pqxx::read_only> in(on);
    std::string tables;
    for (const auto &[of, rows] : wanted)
        tables += (tables.empty() ? "" : ", ") + in.quote(of->table);
    const auto found = in.exec(fmt::format(shapes_query, snapshot_columns, tables));
    auto page = read_snapshot(found.at(0));
    if (!page.primary)
        return page;
    for (const auto &row : found)
        if (const auto *of =
                row[name].is_null() ? nullptr : classes_.of_table("public", text_of(row[name]))) {
            auto &rows = wanted[of];
            rows.oid = text_of(row[oid]);
            rows.filenode = text_of(row[filenode]);
            rows.table = shape_of(*of, rows.oid, row[columns].is_null() ? "" : text_of(row[columns]));
        }
    for (auto &[of, rows] : wanted) {
        if (!rows.table)
            continue;
        auto &uuids = rows.objects;
        std::sort(uuids.begin(), uuids.end(),
                  [](const auto &one, const auto &other) { return one.view() < other.view(); });
        uuids.erase(std::unique(uuids.begin(), uuids.end()), uuids.end());
        const auto answer = in.exec(select_records(*rows.table, uuids));
        if (answer.size() < uuids.size())
            check_place(in, rows);
        page.rows.reserve(page.rows.size() + answer.size());
        for (const auto &row : answer)
            page.rows.push_back(to_insert(row, rows.table, page.insert_lsn));
    }
    in.commit();
    return page;
}

} // namespace walcast
