#include "server/access/object_columns.hpp"

#include <algorithm>
#include <array>

namespace walcast {

namespace {
using enum fact_column;

constexpr std::array<std::string_view, fact_column_count> names{
    "id",
    "owner_uuid",
    "trash_at",
    "current_version_uuid",
    "portable_data_hash",
    "group_class",
    "container_uuid",
    "collection_uuid",
    "is_active",
    "is_admin",
    "redirect_to_user_uuid",
    "link_class",
    "head_uuid",
    "tail_uuid",
    "user_id",
};

constexpr std::array collection_columns{id, owner_uuid, trash_at, current_version_uuid, portable_data_hash};
constexpr std::array group_columns{id, owner_uuid, trash_at, group_class};
constexpr std::array request_columns{id, owner_uuid, container_uuid};
constexpr std::array workflow_columns{id, owner_uuid, collection_uuid};
constexpr std::array user_columns{id, owner_uuid, is_active, is_admin, redirect_to_user_uuid};
constexpr std::array link_columns{id, owner_uuid, link_class, head_uuid, tail_uuid};
constexpr std::array token_columns{id, user_id};
constexpr std::array credential_columns{owner_uuid}; // the key is the uuid
constexpr std::array owned_columns{id, owner_uuid};
} // namespace

std::string_view name_of(fact_column column) {
    return names[static_cast<std::size_t>(column)];
}

std::span<const fact_column> columns_of(object_class what) {
    switch (what) {
    case object_class::collection:
        return collection_columns;
    case object_class::group:
        return group_columns;
    case object_class::container_request:
        return request_columns;
    case object_class::workflow:
        return workflow_columns;
    case object_class::user:
        return user_columns;
    case object_class::link:
        return link_columns;
    case object_class::token:
        return token_columns;
    case object_class::credential:
        return credential_columns;
    case object_class::container:
    case object_class::virtual_machine:
    case object_class::authorized_key:
        return owned_columns;
    case object_class::none:
    case object_class::keep_service:
    case object_class::user_agreement:
    case object_class::log:
        break;
    }
    return {};
}

bool has_column(object_class what, fact_column column) {
    const auto columns = columns_of(what);
    return std::find(columns.begin(), columns.end(), column) != columns.end();
}

object_class class_of_table(std::string_view table) {
    const auto what = class_of_resource(table);
    return columns_of(what).empty() ? object_class::none : what;
}

} // namespace walcast
