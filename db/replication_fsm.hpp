#pragma once

#include "server/feed/position.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace walcast {

/// What the replication conversation needs to know.
struct replication_settings {
    std::string slot;
    std::string publication;
    int protocol_version = 2;
    /// pgoutput's option streaming: transactions larger than logical_decoding_work_mem are sent while they
    /// are in progress. Off, the server keeps them on its disk until they commit and then sends all of it,
    /// while we already hand on what has come. On, all of it has come when it commits, and is handed on then:
    /// sooner for those who wait for that commit, but what is already committed (a refill, a backlog) takes
    /// longer, as none of it can be handed on before its end has come: 300,000 rows took 1.2 times as long.
    bool streaming = false;
    /// Values in their binary form, which costs us less to read than text.
    bool binary = true;
    /// The slot cannot be read to its end: make it again. A slot decodes every change with the catalog of
    /// that time, so WAL that was written while there was no publication can never be read with one.
    bool remake_slot = false;
};

/// Why a conversation ended, and what to do about it.
struct replication_failure {
    enum class remedy : std::uint8_t {
        reconnect,     ///< try again, with back-off
        wait_for_slot, ///< another process reads the slot: try again, quietly
        remake_slot,   ///< the slot cannot be read: try again with replication_settings::remake_slot
        give_up, ///< it cannot work until somebody changes something: one clear line, then try now and then
    };
    remedy what_to_do = remedy::reconnect;
    std::string why; ///< one line for people
    /// An error within the server (SQLSTATE class XX) while it decoded.
    bool server_fault = false;
};

/// Counts how often the server has failed to decode, at the same place. PostgreSQL may write what it can
/// never read back: "could not map filenode … to relation OID", after TRUNCATE and DDL beside a restart of
/// the slot. Such a slot is stuck for ever, and holds the log until the disk is full.
class repeated_fault {
  public:
    /// With back-off, that is half a minute: time enough for a server that has other troubles.
    static constexpr unsigned most = 10;

    /// A conversation has ended. True if it is hopeless to go on with this slot; then counts from the
    /// beginning.
    [[nodiscard]] bool add(bool server_fault, bool came_on) {
        count_ = came_on || !server_fault ? 0 : count_ + 1;
        if (count_ < most)
            return false;
        count_ = 0;
        return true;
    }

  private:
    unsigned count_ = 0;
};

/// A result of PostgreSQL's simple query protocol, copied out of libpq.
struct query_result {
    enum class kind : std::uint8_t { rows, command, copy_both, error };
    kind what = kind::command;
    std::vector<std::vector<std::optional<std::string>>> rows;
    std::string sqlstate; ///< of an error
    std::string message;  ///< likewise, its primary line
    std::string function; ///< likewise, of the server's: unlike the message, it is in no language
};

/// What a process remembers of its earlier conversations.
struct replication_past {
    lsn resume; ///< the end of the last transaction that was handed on; zero at the start: the slot decides
    std::string system_identifier; ///< of the cluster that those came from
    std::uint32_t timeline = 0;    ///< likewise
    std::string backend;           ///< replication_fsm::backend() of the last conversation
    bool had_slot = false;         ///< there was a slot, in this process or an earlier one
};

/// The dialogue that leads a replication connection from "connected" to "streaming", as decisions without
/// I/O:
///
///     connected → IDENTIFY_SYSTEM → look at the slot ─────────────────────────────→ START_REPLICATION →
///     streaming
///                                    │  ↑ (in use: end our own dead reader, or wait)      ↑
///                                    └→ (drop it) → BEGIN → CREATE_REPLICATION_SLOT → slot_made → COMMIT →
///                                    keep
///
/// The caller sends each query and hands in its result; after `streaming` the connection is in CopyBoth mode
/// and replication_message takes over. One instance per connection.
///
/// A slot is made again when it is lost, and also when the log has gone back: a cluster that was restored, or
/// a promoted standby that had not got everything, writes other transactions to positions that we have seen.
/// They would be taken for those we know, and left out.
///
/// While it is made the slot is a temporary one with a name of this connection's. Only when the caller has
/// read what it will not bring (slot_made), it is copied to the name that it is kept under: otherwise whoever
/// came back after a crash in between would find a slot, and could not tell that something is missing.
class replication_fsm {
  public:
    struct send_query {
        std::string text;
    };
    /// The slot has just been made, in a transaction that is still open and whose snapshot is exactly what
    /// committed before the slot begins: read on the same connection what has to be read, then go_on().
    struct slot_made {};
    /// Somebody else reads the slot: look_again() after a while.
    struct slot_in_use {
        std::string reader; ///< for people: its process
    };
    struct streaming {};
    using action = std::variant<send_query, slot_made, slot_in_use, streaming, replication_failure>;

    replication_fsm(replication_settings settings, replication_past past);

    /// `server_version` as PQserverVersion has it, 150004.
    [[nodiscard]] action connected(int server_version);
    [[nodiscard]] action result(const query_result &of);
    [[nodiscard]] action go_on();
    [[nodiscard]] action look_again();
    /// What an error means, in answer to a query or at the end of the stream.
    [[nodiscard]] replication_failure explain(const query_result &error) const;
    /// What a warning amid the stream means, if it ends it.
    [[nodiscard]] std::optional<replication_failure> explain_warning(const query_result &warning) const;

    // Known after the first answers:
    [[nodiscard]] const std::string &system_identifier() const { return system_identifier_; }
    [[nodiscard]] const std::string &database() const { return database_; }
    [[nodiscard]] std::uint32_t timeline() const { return timeline_; }
    /// The server's process at the other end, by its number and when it began.
    [[nodiscard]] const std::string &backend() const { return backend_; }
    /// Where the log ended when the server was last asked: decoded up to here, the feed has caught up.
    [[nodiscard]] lsn log_end() const { return log_end_; }
    /// What the slot has been told it may forget: where it would begin if asked for everything it has.
    [[nodiscard]] lsn slot_begin() const { return slot_begin_; }
    /// There is a slot and it will be read; what its stream has, that is.
    [[nodiscard]] bool slot_found() const { return slot_found_; }
    /// The slot was made (or made again) in this conversation: nothing before it can be had from it.
    [[nodiscard]] bool slot_created() const { return slot_created_; }
    /// There was a slot before, but it is gone, or cannot be read any more; why, for people. Empty if not.
    [[nodiscard]] const std::string &slot_lost() const { return slot_lost_; }
    /// max_slot_wal_keep_size in bytes; nothing if unlimited.
    [[nodiscard]] std::optional<std::uint64_t> slot_keep_bytes() const { return slot_keep_bytes_; }

  private:
    enum class state : std::uint8_t {
        idle,
        identifying,
        reading_history,
        inspecting,
        terminating,
        waiting,
        dropping,
        beginning,
        creating,
        made,
        committing,
        keeping,
        clearing,
        altering,
        starting,
        streaming
    };

    [[nodiscard]] replication_failure unpublished(std::string_view why) const;
    [[nodiscard]] action identified(const query_result &of);
    [[nodiscard]] action history_read(const query_result &of);
    [[nodiscard]] action inspect();
    [[nodiscard]] action inspected(const query_result &of);
    [[nodiscard]] action in_use(const std::string &reader, const std::string &reader_began);
    [[nodiscard]] action begin();
    [[nodiscard]] action create();
    [[nodiscard]] action alter();
    /// Of the slot while it is made: nobody else has it, not even our own last connection if it lingers.
    [[nodiscard]] std::string making_name() const;
    [[nodiscard]] action start();
    /// PostgreSQL 17 and later keep such a slot alive through a failover.
    [[nodiscard]] bool knows_failover() const { return server_version_ >= 170'000; }

    replication_settings settings_;
    replication_past past_;
    state state_ = state::idle;
    int server_version_ = 0;
    std::string database_;
    std::string system_identifier_;
    std::string process_; ///< the number in it
    std::string backend_;
    std::uint32_t timeline_ = 0;
    lsn log_end_;
    lsn common_end_; ///< up to here the log is the one that we have read before
    lsn slot_begin_;
    bool slot_found_ = false;
    bool slot_created_ = false;
    std::string slot_lost_;
    std::optional<std::uint64_t> slot_keep_bytes_;
};

/// A message of the server in CopyBoth mode ("Streaming Replication Protocol"), big-endian:
///
///     'w' XLogData   int64 start, int64 end, int64 sent_at, bytes
///     'k' keepalive  int64 log end, int64 sent_at, byte: reply at once
struct xlog_data {
    lsn start;
    std::string_view bytes;
};
struct keepalive {
    lsn log_end; ///< every commit before this has been sent
    bool wants_reply = false;
};
using replication_message = std::variant<xlog_data, keepalive>;

/// Nothing when the bytes are neither.
[[nodiscard]] std::optional<replication_message> parse_replication_message(std::string_view bytes);

/// 'r' standby status update: int64 written, int64 flushed, int64 applied, int64 now, byte: reply at once.
///
/// `flushed` moves the slot, and is not remembered as ours when it is zero. That matters twice, because what
/// we confirm lags behind what we have read on purpose: a server that shuts down waits for every sender whose
/// `flushed` (if it is not zero, else `written`) is not at the end of the log, so a lagging one would hang
/// the shutdown for ever; and with `synchronous_standby_names = '*'` a sender with a `flushed` counts as a
/// synchronous standby and commits would wait for it. So updates have zero there, but for one that confirms,
/// and the next follows at once.
[[nodiscard]] std::string make_status_update(lsn received, lsn flushed, std::int64_t now_us,
                                             bool wants_reply);

/// An identifier or a literal as SQL text.
[[nodiscard]] std::string quote_identifier(std::string_view name);
[[nodiscard]] std::string quote_literal(std::string_view text);

} // namespace walcast
