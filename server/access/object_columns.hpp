#pragma once

#include "server/access/object_facts.hpp"
#include "server/access/uuid_text.hpp"

#include <cstdint>
#include <span>
#include <string_view>

namespace walcast {

/// The columns of Arvados' tables that decide who may read a row, besides its `uuid`.
enum class fact_column : std::uint8_t {
    id,
    owner_uuid,
    trash_at,
    current_version_uuid,
    portable_data_hash,
    group_class,
    container_uuid,
    collection_uuid,
    is_active,
    is_admin,
    redirect_to_user_uuid,
    link_class,
    head_uuid,
    tail_uuid,
    user_id,
};
inline constexpr std::size_t fact_column_count = static_cast<std::size_t>(fact_column::user_id) + 1;

[[nodiscard]] std::string_view name_of(fact_column column);
/// Those of a class; none if there are no rules for it that look at a row. Its table is called resource_of().
[[nodiscard]] std::span<const fact_column> columns_of(object_class what);
[[nodiscard]] bool has_column(object_class what, fact_column column);
/// The class whose rows are in this table; `none` if there are no rules that look at them.
[[nodiscard]] object_class class_of_table(std::string_view table);

/// The facts of a row that exists, wherever it comes from: `Row` has `text`, `integer`, `boolean` and `time`
/// of a column, each an optional, which are nothing for null and for a column that it has not; and `has`.
template <class Row>
[[nodiscard]] object_facts facts_of(object_class what, std::string_view uuid, const Row &from) {
    const auto uuid_in = [&](fact_column column) { return uuid_text(from.text(column).value_or("")); };
    object_facts made;
    made.exists = true;
    made.row_id = from.integer(fact_column::id).value_or(0);
    made.owner = uuid_in(fact_column::owner_uuid);
    made.trash_at = from.time(fact_column::trash_at).value_or(object_facts::never);
    switch (what) {
    case object_class::collection:
        made.current = !from.has(fact_column::current_version_uuid) ||
                       from.text(fact_column::current_version_uuid) == uuid;
        made.linked = content_key(from.text(fact_column::portable_data_hash).value_or(""));
        break;
    case object_class::group:
        made.role = from.text(fact_column::group_class) == "role";
        break;
    case object_class::container_request:
        made.linked = uuid_in(fact_column::container_uuid);
        break;
    case object_class::workflow:
        made.linked = uuid_in(fact_column::collection_uuid);
        break;
    case object_class::user:
        made.active = from.boolean(fact_column::is_active).value_or(false);
        made.admin = from.boolean(fact_column::is_admin).value_or(false);
        made.redirected = from.text(fact_column::redirect_to_user_uuid).has_value();
        break;
    case object_class::link:
        made.permission = from.text(fact_column::link_class) == "permission";
        if (made.permission) {
            made.linked = uuid_in(fact_column::head_uuid);
            made.tail = uuid_in(fact_column::tail_uuid);
        }
        break;
    case object_class::token:
        made.user_id = from.integer(fact_column::user_id).value_or(0);
        break;
    default:
        break;
    }
    return made;
}

} // namespace walcast
