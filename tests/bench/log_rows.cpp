#include "tests/bench/log_rows.hpp"

#include <fmt/format.h>
#include <pqxx/nontransaction>
#include <pqxx/result>

#include <charconv>

namespace walcast::bench {

namespace {

// The columns of an event of a container's log, made of `id` (the number of the row) and {stamp} (16
// hexadecimal digits); `text` in the properties makes v0 pass them on whole.
constexpr std::string_view event_insert =
    "insert into logs (id, uuid, owner_uuid, object_uuid, event_at, event_type, summary, properties, "
    "created_at,"
    " updated_at, modified_at) select id, 'zzzzz-57u5n-' || lpad(id::text, 15, '0'), "
    "'zzzzz-tpzed-000000000000000',"
    " 'zzzzz-dz642-' || lpad((id % 1000)::text, 15, '0'), at, 'stderr', 'stderr of a container',"
    " '{{\"text\":\"' || {stamp} || '\"}}', at, at, at from (select nextval(pg_get_serial_sequence('logs', "
    "'id')) as id,"
    " clock_timestamp() at time zone 'UTC' as at from generate_series(1, {rows})) as made";

constexpr std::string_view no_stamp = "'0000000000000000'";

[[nodiscard]] std::string insert(std::string_view stamp, std::string_view rows) {
    return fmt::format(fmt::runtime(event_insert), fmt::arg("stamp", stamp), fmt::arg("rows", rows));
}

template <typename T>
[[nodiscard]] std::optional<T> number_after(std::string_view text, std::string_view key, int base) {
    const std::size_t at = text.find(key);
    if (at == std::string_view::npos)
        return std::nullopt;
    T value{};
    const char *begin = text.data() + at + key.size();
    if (std::from_chars(begin, text.data() + text.size(), value, base).ec != std::errc{})
        return std::nullopt;
    return value;
}

void exec(pqxx::connection &connection, const std::string &sql) {
    pqxx::nontransaction work(connection);
    work.exec(sql);
}

} // namespace

std::optional<event_marks> read_marks(std::string_view frame) {
    const auto message = number_after<std::int64_t>(frame, R"("msgID":)", 10);
    const auto log = number_after<std::int64_t>(frame, R"("id":)", 10);
    const auto sent = number_after<std::uint64_t>(frame, R"("text":")", 16);
    if (!message || !log || !sent)
        return std::nullopt;
    return event_marks{*message, *log, *sent};
}

std::uint64_t now_ns() {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(now).count());
}

event_writer::event_writer(const std::string &connection)
    : connection_{connection} {
    connection_.prepare("events",
                        "with made as (" + insert("$2::text", "$1::int") +
                            " returning id) select max(id), count(pg_notify('logs', id::text)) from made");
}

std::int64_t event_writer::commit(int rows) {
    pqxx::nontransaction work(connection_);
    return work.exec_prepared1("events", rows, fmt::format("{:016x}", now_ns()))[0].as<std::int64_t>();
}

std::int64_t write_rows(pqxx::connection &connection, write_shape shape, std::int64_t rows) {
    // Nobody waits for these commits: what is measured comes after them.
    exec(connection, "set synchronous_commit = off");
    switch (shape) {
    case write_shape::single_rows:
        exec(connection, fmt::format("do $do$ begin for i in 1..{} loop {}; commit; end loop; end $do$", rows,
                                     insert(no_stamp, "1")));
        break;
    case write_shape::one_transaction:
        exec(connection, insert(no_stamp, std::to_string(rows)));
        break;
    case write_shape::unwanted:
        exec(connection,
             fmt::format("do $do$ begin for i in 1..{} loop"
                         " update collections set version = version + 1, modified_at = clock_timestamp()"
                         " where uuid in (select 'zzzzz-4zz18-' || lpad((i % 30 * 100 + n)::text, 15, '0')"
                         " from generate_series(0, 99) as n); commit; end loop; end $do$",
                         rows / 100));
        break;
    }
    pqxx::nontransaction work(connection);
    return work.exec1("select coalesce(max(id), 0) from logs")[0].as<std::int64_t>();
}

} // namespace walcast::bench
