#pragma once

#include "db/byte_reader.hpp"
#include "server/feed/position.hpp"
#include "server/feed/value.hpp"

#include <cstdint>
#include <string_view>
#include <variant>

/// The messages of PostgreSQL's output plugin pgoutput, protocol versions 1 to 4 (PostgreSQL documentation,
/// "Logical Replication Message Formats"). Every view points into the message that was decoded. `xid` is the
/// (sub)transaction that a change belongs to; it is sent only inside a streamed transaction and else zero.
/// Times are in microseconds since 1970 UTC. The bytes of each are drawn in pgoutput_decoder.cpp.
namespace walcast::pgoutput {

/// One row: its values in column order, as they lie in the message.
class tuple_view {
  public:
    tuple_view() = default;
    tuple_view(std::uint16_t columns, std::string_view values)
        : columns_(columns)
        , values_(values) {}

    [[nodiscard]] std::uint16_t size() const { return columns_; }
    [[nodiscard]] std::size_t bytes() const { return values_.size(); }

    /// Calls `each(value_kind, bytes)` for every column.
    template <class Function>
    void for_each(Function &&each) const {
        byte_reader from(values_);
        for (unsigned at = 0; at < columns_; ++at)
            switch (from.character()) {
            case 'n':
                each(value_kind::null, std::string_view{});
                break;
            case 'u':
                each(value_kind::unchanged, std::string_view{});
                break;
            case 'b':
                each(value_kind::binary, from.bytes(from.u32()));
                break;
            default:
                each(value_kind::text, from.bytes(from.u32()));
            }
    }

  private:
    std::uint16_t columns_ = 0;
    std::string_view values_;
};

/// What stands before an update's new row.
enum class old_tuple : char {
    none = 0,
    key = 'K', ///< the replica identity's columns; the others are sent as null and mean nothing
    full = 'O' ///< the whole old row (REPLICA IDENTITY FULL)
};

struct begin {
    lsn final; ///< where the commit record begins
    std::int64_t committed_at;
    std::uint32_t xid;
};

struct commit {
    lsn at; ///< where the commit record begins
    lsn end;
    std::int64_t committed_at;
};

struct origin {
    lsn at;
    std::string_view name;
};

struct relation_column {
    bool key;
    std::string_view name;
    std::uint32_t type;
    std::int32_t modifier;
};

struct relation {
    std::uint32_t xid;
    std::uint32_t oid;
    std::string_view schema; ///< empty for pg_catalog
    std::string_view name;
    char replica_identity;
    std::uint16_t column_count;
    std::string_view columns;

    /// Calls `each(relation_column)` for every column.
    template <class Function>
    void for_each(Function &&each) const {
        byte_reader from(columns);
        for (unsigned at = 0; at < column_count; ++at) {
            relation_column next{};
            next.key = (from.u8() & 1U) != 0;
            next.name = from.string();
            next.type = from.u32();
            next.modifier = static_cast<std::int32_t>(from.u32());
            each(next);
        }
    }
};

struct type {
    std::uint32_t xid;
    std::uint32_t oid;
    std::string_view schema;
    std::string_view name;
};

struct insert {
    std::uint32_t xid;
    std::uint32_t oid;
    tuple_view row;
};

struct update {
    std::uint32_t xid;
    std::uint32_t oid;
    old_tuple old_kind;
    tuple_view old_row;
    tuple_view row;
};

struct remove {
    std::uint32_t xid;
    std::uint32_t oid;
    old_tuple old_kind;
    tuple_view old_row;
};

struct truncate {
    std::uint32_t xid;
    bool cascade;
    bool restart_identity;
    std::string_view oids; ///< four bytes each

    template <class Function>
    void for_each(Function &&each) const {
        byte_reader from(oids);
        while (!from.at_end())
            each(from.u32());
    }
};

struct logical_message {
    std::uint32_t xid;
    bool transactional;
    lsn at;
    std::string_view prefix;
    std::string_view content;
};

struct stream_start {
    std::uint32_t xid;
    bool first; ///< the first block of this transaction
};

struct stream_stop {};

struct stream_commit {
    std::uint32_t xid;
    lsn at;
    lsn end;
    std::int64_t committed_at;
};

struct stream_abort {
    std::uint32_t xid;
    std::uint32_t subxid; ///< the same as xid when the whole transaction is aborted
    lsn at;               ///< with streaming 'parallel' only
    std::int64_t aborted_at;
};

enum class two_phase_step : std::uint8_t {
    begin_prepare,
    prepare,
    commit_prepared,
    rollback_prepared,
    stream_prepare
};

struct two_phase {
    two_phase_step step;
    std::uint32_t xid;
    lsn at;
    lsn end;
    std::string_view gid;
};

using message =
    std::variant<begin, commit, origin, relation, type, insert, update, remove, truncate, logical_message,
                 stream_start, stream_stop, stream_commit, stream_abort, two_phase>;

} // namespace walcast::pgoutput
