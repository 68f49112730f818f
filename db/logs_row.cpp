#include "db/logs_row.hpp"

namespace walcast {

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
    for (const auto &field : of) {
        if (field)
            builder.add_new(value_kind::text, *field);
        else
            builder.add_new(value_kind::null);
    }
    return builder.finish(commit);
}

} // namespace walcast
