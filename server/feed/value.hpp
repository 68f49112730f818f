#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace walcast {

/// How a column's value stands in a change.
enum class value_kind : std::uint8_t {
    null,      ///< SQL NULL
    unchanged, ///< stored out of line and untouched by this update: the value is not in the change
    text,      ///< PostgreSQL's text form
    binary,    ///< PostgreSQL's binary (send) form
    absent,    ///< the column is not in this row (not published, or not part of the key)
};

/// One column's value. A view: the bytes belong to the transaction.
struct value {
    value_kind kind = value_kind::absent;
    std::string_view bytes;

    [[nodiscard]] bool present() const { return kind == value_kind::text || kind == value_kind::binary; }
};

/// The readers below take the column's type (`pg_type`), understand both forms, and return nothing for a
/// value that is not present or does not parse, or whose binary form is that of another kind of type: a
/// column may change its type at any time, and eight bytes can be a number, a time or a word.

/// int2, int4, int8, and text of any type that is a number.
[[nodiscard]] std::optional<std::int64_t> to_integer(const value &of, std::uint32_t type);
/// boolean.
[[nodiscard]] std::optional<bool> to_boolean(const value &of);
/// text, varchar, json, jsonb: the characters (jsonb's binary form has a version byte before them).
[[nodiscard]] std::optional<std::string_view> to_text(const value &of, std::uint32_t type);
/// timestamp, timestamptz: microseconds since 1970-01-01 UTC. Infinity is nothing.
[[nodiscard]] std::optional<std::int64_t> to_unix_microseconds(const value &of, std::uint32_t type);

/// PostgreSQL counts microseconds from 2000-01-01; this is the distance to 1970-01-01.
inline constexpr std::int64_t postgres_epoch_unix_us = 946'684'800'000'000;

/// Parses `2026-01-02 03:04:05.678901` (ISO DateStyle, also with `T`, and a zone offset); microseconds since
/// 1970 UTC.
[[nodiscard]] std::optional<std::int64_t> parse_timestamp(std::string_view text);

} // namespace walcast
