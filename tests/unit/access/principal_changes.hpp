#pragma once

#include "server/feed/transaction.hpp"

#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace walcast::test {

using text_or_null = std::optional<std::string>;

/// Arvados' tables as the publication has them.
[[nodiscard]] inline relation_ptr token_table() {
    static const auto shape =
        std::make_shared<relation>(2, "public", "api_client_authorizations", 'd',
                                   std::vector<column>{{"id", pg_type::int8},
                                                       {"uuid", pg_type::varchar},
                                                       {"user_id", pg_type::int8},
                                                       {"expires_at", pg_type::timestamp},
                                                       {"refreshes_at", pg_type::timestamp},
                                                       {"scopes"}});
    return shape;
}

[[nodiscard]] inline relation_ptr user_table() {
    static const auto shape = std::make_shared<relation>(3, "public", "users", 'd',
                                                         std::vector<column>{{"id", pg_type::int8},
                                                                             {"uuid", pg_type::varchar},
                                                                             {"is_admin", pg_type::boolean},
                                                                             {"is_active", pg_type::boolean},
                                                                             {"redirect_to_user_uuid"}});
    return shape;
}

[[nodiscard]] inline relation_ptr container_table() {
    static const auto shape = std::make_shared<relation>(
        4, "public", "containers", 'd',
        std::vector<column>{{"id", pg_type::int8}, {"uuid", pg_type::varchar}, {"state"}});
    return shape;
}

inline void add_update(transaction_builder &into, const relation_ptr &table,
                       std::initializer_list<text_or_null> values) {
    into.add(change_kind::update, table);
    for (const auto &one : values)
        into.add_new(one ? value_kind::text : value_kind::null, one.value_or(""));
}

/// A DELETE, which carries the key and nothing else.
inline void add_delete(transaction_builder &into, const relation_ptr &table, const std::string &id) {
    into.add(change_kind::remove, table);
    into.add_old(value_kind::text, id);
    for (std::size_t rest = 1; rest < table->columns().size(); ++rest)
        into.add_old(value_kind::null);
}

} // namespace walcast::test
