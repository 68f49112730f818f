#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace walcast {

/// Type OIDs of the columns that walcast reads (PostgreSQL's `pg_type.dat`; they never change).
namespace pg_type {
inline constexpr std::uint32_t boolean = 16;
inline constexpr std::uint32_t int8 = 20;
inline constexpr std::uint32_t int2 = 21;
inline constexpr std::uint32_t int4 = 23;
inline constexpr std::uint32_t text = 25;
inline constexpr std::uint32_t json = 114;
inline constexpr std::uint32_t float4 = 700;
inline constexpr std::uint32_t float8 = 701;
inline constexpr std::uint32_t varchar = 1043;
inline constexpr std::uint32_t timestamp = 1114;
inline constexpr std::uint32_t timestamptz = 1184;
inline constexpr std::uint32_t numeric = 1700;
inline constexpr std::uint32_t jsonb = 3802;

/// Whether the binary form of a type is known. It is not for the types that a database makes itself: domains,
/// enums, what extensions bring.
[[nodiscard]] constexpr bool binary_known(std::uint32_t type) {
    switch (type) {
    case boolean:
    case int8:
    case int2:
    case int4:
    case text:
    case json:
    case float4:
    case float8:
    case varchar:
    case timestamp:
    case timestamptz:
    case jsonb:
        return true;
    default:
        return false;
    }
}
} // namespace pg_type

struct column {
    std::string name;
    std::uint32_t type = pg_type::text;
    std::int32_t modifier = -1;
    bool key = false;    ///< part of the replica identity
    bool secret = false; ///< its values never enter a transaction: they are `absent`

    bool operator==(const column &) const = default;
};

/// What one table looked like when a change was written: immutable, shared by every change with that shape.
///
/// `id` is unique in the process, unlike a table's OID (a table keeps it through ALTER) and unlike the
/// address (which may be used again), so it is what readers key their caches by.
class relation {
  public:
    relation(std::uint32_t oid, std::string schema, std::string name, char replica_identity,
             std::vector<column> columns);

    [[nodiscard]] std::uint64_t id() const { return id_; }
    [[nodiscard]] std::uint32_t oid() const { return oid_; }
    [[nodiscard]] const std::string &schema() const { return schema_; }
    [[nodiscard]] const std::string &name() const { return name_; }
    /// `d` default, `n` nothing, `f` full, `i` index: pg_class.relreplident.
    [[nodiscard]] char replica_identity() const { return replica_identity_; }
    [[nodiscard]] const std::vector<column> &columns() const { return columns_; }
    /// The column's place, or -1.
    [[nodiscard]] int find(std::string_view column_name) const;
    /// Whether any column is secret.
    [[nodiscard]] bool has_secrets() const { return has_secrets_; }
    /// Whether pg_type::binary_known holds for all columns.
    [[nodiscard]] bool binary_known() const { return binary_known_; }

  private:
    std::uint64_t id_;
    std::uint32_t oid_;
    std::string schema_;
    std::string name_;
    char replica_identity_;
    std::vector<column> columns_;
    bool has_secrets_;
    bool binary_known_;
};

using relation_ptr = std::shared_ptr<const relation>;

} // namespace walcast
