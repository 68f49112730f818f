#pragma once

#include "server/feed/transaction.hpp"
#include "server/protocol/event.hpp"

#include <cmath>
#include <memory>
#include <optional>
#include <rapidjson/document.h>
#include <string>
#include <string_view>
#include <vector>

namespace walcast::test {

/// The `logs` table with the columns that matter, in another order than the table has and with one in
/// between.
inline relation_ptr logs_table(std::string schema = "public") {
    return std::make_shared<relation>(16'500, std::move(schema), "logs", 'd',
                                      std::vector<column>{{"id", pg_type::int8, -1, true},
                                                          {"uuid", pg_type::varchar},
                                                          {"summary", pg_type::text},
                                                          {"event_at", pg_type::timestamp},
                                                          {"event_type", pg_type::varchar},
                                                          {"object_uuid", pg_type::varchar},
                                                          {"object_owner_uuid", pg_type::varchar},
                                                          {"properties", pg_type::text},
                                                          {"created_at", pg_type::timestamp}});
}

using field = std::optional<std::string>;

/// One row of `logs` as PostgreSQL would write it; unset is NULL.
struct logs_row {
    field id = "1";
    field uuid = "zzzzz-57u5n-000000000000001";
    field event_at = "2026-01-02 03:04:05.678901";
    field event_type = "update";
    field object_uuid = "zzzzz-4zz18-bv31uwvy3neko21";
    field object_owner_uuid = "zzzzz-j7d0g-v955i6s2oi1cbso";
    field properties = R"({"old_attributes":{"name":"a"},"new_attributes":{"name":"b"}})";
    field created_at = "2026-01-02 03:04:06";
};

inline transaction_ptr insert(const logs_row &row, const relation_ptr &table) {
    transaction_builder builder;
    builder.begin(7, lsn{100}, 5);
    builder.add(change_kind::insert, table);
    for (const auto *cell :
         {&row.id, &row.uuid, static_cast<const field *>(nullptr), &row.event_at, &row.event_type,
          &row.object_uuid, &row.object_owner_uuid, &row.properties, &row.created_at})
        if (cell != nullptr && *cell)
            builder.add_new(value_kind::text, **cell);
        else
            builder.add_new(value_kind::null);
    return builder.finish(lsn{120});
}

/// Equal as JSON, numbers as doubles, the order of keys set aside.
inline bool json_equal(const rapidjson::Value &one, const rapidjson::Value &other) {
    if (one.IsNumber() && other.IsNumber())
        return one.GetDouble() == other.GetDouble();
    if (one.GetType() != other.GetType())
        return false;
    if (one.IsArray()) {
        if (one.Size() != other.Size())
            return false;
        for (rapidjson::SizeType at = 0; at < one.Size(); ++at)
            if (!json_equal(one[at], other[at]))
                return false;
        return true;
    }
    if (one.IsObject()) {
        if (one.MemberCount() != other.MemberCount())
            return false;
        for (const auto &member : one.GetObject()) {
            const auto found = other.FindMember(member.name);
            if (found == other.MemberEnd() || !json_equal(member.value, found->value))
                return false;
        }
        return true;
    }
    return one == other;
}

/// Parses strictly: encoding validated, nothing after the value, any depth. Numbers exactly, if asked to: not
/// of text that comes from anywhere, as RapidJSON 1.1 reads outside of a table at 0.000…1 with hundreds of
/// zeros.
template <unsigned Precision = 0>
bool valid_json(std::string_view text, rapidjson::Document &into) {
    into.Parse<rapidjson::kParseValidateEncodingFlag | rapidjson::kParseIterativeFlag | Precision>(
        text.data(), text.size());
    return !into.HasParseError();
}

inline bool valid_json(std::string_view text) {
    rapidjson::Document ignored;
    return valid_json(text, ignored);
}

inline bool json_equal(std::string_view one, std::string_view other) {
    rapidjson::Document left, right;
    constexpr auto exact = rapidjson::kParseFullPrecisionFlag;
    return valid_json<exact>(one, left) && valid_json<exact>(other, right) && json_equal(left, right);
}

inline std::string repeat(std::string_view what, std::size_t times) {
    std::string made;
    made.reserve(what.size() * times);
    for (std::size_t n = 0; n < times; ++n)
        made += what;
    return made;
}

} // namespace walcast::test
