#include "db/logs_row.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>

namespace walcast {

namespace {

constexpr std::size_t page_bytes = std::size_t{8} << 20;

template <class T>
T number_in(std::string_view text) {
    T made{};
    std::from_chars(text.data(), text.data() + text.size(), made);
    return made;
}

} // namespace

const relation_ptr &logs_relation() {
    static const relation_ptr shape =
        std::make_shared<relation>(0, "public", "logs", 'd',
                                   std::vector<column>{{"id", pg_type::int8, -1, true},
                                                       {"uuid", pg_type::varchar},
                                                       {"owner_uuid", pg_type::varchar},
                                                       {"object_uuid", pg_type::varchar},
                                                       {"object_owner_uuid", pg_type::varchar},
                                                       {"event_type", pg_type::varchar},
                                                       {"event_at", pg_type::timestamp},
                                                       {"created_at", pg_type::timestamp},
                                                       {"properties", pg_type::text}});
    return shape;
}

transaction_ptr to_transaction(const pqxx::row &of, lsn commit, std::int64_t at_us) {
    transaction_builder builder;
    builder.begin(0, commit, at_us);
    builder.add(change_kind::insert, logs_relation());
    for (const auto field : of) {
        if (field.num() >= logs_relation()->columns().size())
            break; // what a query selects beyond logs_columns is its own affair
        if (field.is_null())
            builder.add_new(value_kind::null);
        else
            builder.add_new(value_kind::text, {field.c_str(), field.size()});
    }
    return builder.finish(commit);
}

transaction_ptr to_transaction(const std::vector<std::optional<std::string>> &of, lsn commit) {
    const auto created = static_cast<std::size_t>(logs_relation()->find("created_at"));
    const auto at = of[created] ? parse_timestamp(*of[created]) : std::nullopt;
    transaction_builder builder;
    builder.begin(0, commit, at.value_or(0));
    builder.add(change_kind::insert, logs_relation());
    for (const auto &field : std::span(of).first(logs_relation()->columns().size())) {
        if (field)
            builder.add_new(value_kind::text, *field);
        else
            builder.add_new(value_kind::null);
    }
    return builder.finish(commit);
}

std::string select_page(std::string_view rows) {
    return fmt::format("SELECT {}, found FROM (SELECT *, count(*) OVER () AS found,"
                       " sum(pg_catalog.octet_length(properties::text))"
                       " OVER (ORDER BY n ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bytes_before"
                       " FROM ({}) AS r) AS p WHERE coalesce(bytes_before, 0) < {} ORDER BY n",
                       logs_columns, rows, page_bytes);
}

std::string select_page_by_id(std::span<const std::int64_t> ids) {
    const auto list = array_literal(ids);
    return select_page(
        fmt::format("SELECT {}, pg_catalog.array_position('{}'::bigint[], id::bigint) AS n FROM logs"
                    " WHERE id = ANY ('{}'::bigint[])",
                    logs_columns, list, list));
}

std::size_t page_extent::answers(std::span<const std::int64_t> ids) const {
    if (!cut())
        return ids.size();
    return static_cast<std::size_t>(std::find(ids.begin(), ids.end(), last) - ids.begin()) + 1;
}

page_extent extent_of(const pqxx::result &page) {
    if (page.empty())
        return {};
    const auto last = page.back();
    return {page.size(), last.back().as<std::size_t>(), last[0].as<std::int64_t>()};
}

page_extent extent_of(const std::vector<std::vector<std::optional<std::string>>> &page) {
    if (page.empty())
        return {};
    const auto &last = page.back();
    return {page.size(), number_in<std::size_t>(last.back().value_or("")),
            number_in<std::int64_t>(last[0].value_or(""))};
}

} // namespace walcast
