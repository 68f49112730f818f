#pragma once

#include "server/feed/value.hpp"

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

/// Writes pgoutput messages as the server does, so that tests read as what was sent and not as bytes.
/// Functions whose first parameter is an `in` take the (sub)transaction of a streamed change; `in{}` is a
/// change outside a stream.
namespace walcast::pgout {

inline std::string i8(unsigned value) {
    return std::string(1, static_cast<char>(value));
}
inline std::string i16(unsigned value) {
    return i8(value >> 8U & 255U) + i8(value & 255U);
}
inline std::string i32(std::uint32_t value) {
    return i16(value >> 16U) + i16(value & 0xffffU);
}
inline std::string i64(std::uint64_t value) {
    return i32(static_cast<std::uint32_t>(value >> 32U)) + i32(static_cast<std::uint32_t>(value));
}
inline std::string str(std::string_view text) {
    return std::string(text) + '\0';
}

/// A time in microseconds since 1970 as it is sent.
inline std::string when(std::int64_t unix_us) {
    return i64(static_cast<std::uint64_t>(unix_us - postgres_epoch_unix_us));
}

/// The transaction in front of a streamed change.
struct in {
    std::uint32_t xid = 0;
};
inline std::string front(in of) {
    return of.xid ? i32(of.xid) : std::string();
}

/// One value of a row: text unless made by one of the functions below.
struct cell {
    cell(const char *text)
        : bytes("t" + i32(static_cast<std::uint32_t>(std::string_view(text).size())) + text) {}
    cell(const std::string &text)
        : bytes("t" + i32(static_cast<std::uint32_t>(text.size())) + text) {}
    static cell raw(std::string bytes) {
        cell made("");
        made.bytes = std::move(bytes);
        return made;
    }
    std::string bytes;
};
inline const cell null = cell::raw("n");
inline const cell unchanged = cell::raw("u");
inline cell binary(std::string_view bytes) {
    return cell::raw("b" + i32(static_cast<std::uint32_t>(bytes.size())) + std::string(bytes));
}

inline std::string row(const std::vector<cell> &cells) {
    auto made = i16(static_cast<unsigned>(cells.size()));
    for (const auto &each : cells)
        made += each.bytes;
    return made;
}

struct col {
    std::string name;
    bool key = false;
    std::uint32_t type = 25;
    std::uint32_t modifier = 0xffffffffU;
};

inline std::string begin(std::uint32_t xid, std::uint64_t final, std::int64_t at = 0) {
    return "B" + i64(final) + when(at) + i32(xid);
}
inline std::string commit(std::uint64_t at, std::uint64_t end, std::int64_t time = 0) {
    return "C" + i8(0) + i64(at) + i64(end) + when(time);
}
inline std::string origin(std::string_view name, std::uint64_t at = 1) {
    return "O" + i64(at) + str(name);
}
inline std::string describe(in of, std::uint32_t oid, std::string_view name, const std::vector<col> &columns,
                            char identity = 'd', std::string_view schema = "public") {
    auto made = "R" + front(of) + i32(oid) + str(schema) + str(name) + identity +
                i16(static_cast<unsigned>(columns.size()));
    for (const auto &each : columns)
        made += i8(each.key ? 1 : 0) + str(each.name) + i32(each.type) + i32(each.modifier);
    return made;
}
inline std::string type(in of, std::uint32_t oid, std::string_view name) {
    return "Y" + front(of) + i32(oid) + str("public") + str(name);
}
inline std::string insert(in of, std::uint32_t oid, const std::vector<cell> &cells) {
    return "I" + front(of) + i32(oid) + "N" + row(cells);
}
inline std::string update(in of, std::uint32_t oid, const std::vector<cell> &cells) {
    return "U" + front(of) + i32(oid) + "N" + row(cells);
}
/// `kind` is K (old key) or O (old row).
inline std::string update(in of, std::uint32_t oid, char kind, const std::vector<cell> &old,
                          const std::vector<cell> &cells) {
    return "U" + front(of) + i32(oid) + kind + row(old) + "N" + row(cells);
}
inline std::string remove(in of, std::uint32_t oid, char kind, const std::vector<cell> &old) {
    return "D" + front(of) + i32(oid) + kind + row(old);
}
inline std::string truncate(in of, const std::vector<std::uint32_t> &oids, unsigned options = 0) {
    auto made = "T" + front(of) + i32(static_cast<std::uint32_t>(oids.size())) + i8(options);
    for (const auto oid : oids)
        made += i32(oid);
    return made;
}
inline std::string message(in of, std::string_view prefix, std::string_view content,
                           bool transactional = true) {
    return "M" + front(of) + i8(transactional ? 1 : 0) + i64(5) + str(prefix) +
           i32(static_cast<std::uint32_t>(content.size())) + std::string(content);
}
inline std::string stream_start(std::uint32_t xid, bool first) {
    return "S" + i32(xid) + i8(first ? 1 : 0);
}
inline std::string stream_stop() {
    return "E";
}
inline std::string stream_commit(std::uint32_t xid, std::uint64_t at, std::uint64_t end,
                                 std::int64_t time = 0) {
    return "c" + i32(xid) + i8(0) + i64(at) + i64(end) + when(time);
}
inline std::string stream_abort(std::uint32_t xid, std::uint32_t subxid) {
    return "A" + i32(xid) + i32(subxid);
}
/// With streaming 'parallel'.
inline std::string stream_abort(std::uint32_t xid, std::uint32_t subxid, std::uint64_t at,
                                std::int64_t time) {
    return stream_abort(xid, subxid) + i64(at) + when(time);
}
inline std::string begin_prepare(std::uint32_t xid, std::string_view gid) {
    return "b" + i64(10) + i64(20) + when(0) + i32(xid) + str(gid);
}
/// `kind` is P (prepare), K (commit prepared) or p (stream prepare).
inline std::string prepared(char kind, std::uint32_t xid, std::string_view gid) {
    return kind + i8(0) + i64(10) + i64(20) + when(0) + i32(xid) + str(gid);
}
inline std::string rollback_prepared(std::uint32_t xid, std::string_view gid) {
    return "r" + i8(0) + i64(10) + i64(20) + when(0) + when(1) + i32(xid) + str(gid);
}

} // namespace walcast::pgout
