#pragma once

#include <pqxx/connection>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace walcast::bench {

/// What a benchmark looks at in a v0 event: enough to tell loss, repetition, disorder and delay.
struct event_marks {
    std::int64_t message = 0;  ///< `msgID`: 1, 2, 3 … on each connection
    std::int64_t log = 0;      ///< `id`: consecutive, because one writer makes all rows
    std::uint64_t sent_ns = 0; ///< steady_clock when the row's statement was sent
};

/// Finds the marks in a frame without parsing all of it; nothing if the frame is not an event of
/// write_events().
[[nodiscard]] std::optional<event_marks> read_marks(std::string_view frame);

/// steady_clock as nanoseconds.
[[nodiscard]] std::uint64_t now_ns();

/// Writes rows into `logs` as Rails does: each with its NOTIFY, in the transaction of the row. A v0 event
/// made of one of them has some 265 bytes. Throws what libpqxx throws.
class event_writer {
  public:
    explicit event_writer(const std::string &connection);
    /// One transaction of `rows` rows. Returns the id of the last one, once it is committed.
    std::int64_t commit(int rows);

  private:
    pqxx::connection connection_;
};

/// How many rows are written and in how many transactions.
enum class write_shape : std::uint8_t {
    single_rows,     ///< `logs`, each row in its own transaction
    one_transaction, ///< `logs`, all rows in one transaction
    unwanted,        ///< updates of `collections`, 100 rows in a transaction; no event comes of them
};

/// Writes `rows` rows as fast as the server can, inside it, without NOTIFY. Returns the id of the last row of
/// `logs` (for `unwanted` of the last one that was there before).
std::int64_t write_rows(pqxx::connection &connection, write_shape shape, std::int64_t rows);

} // namespace walcast::bench
