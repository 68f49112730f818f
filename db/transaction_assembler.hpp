#pragma once

#include "db/pgoutput_decoder.hpp"
#include "db/relation_cache.hpp"
#include "db/segment_writer.hpp"
#include "db/stream_buffer.hpp"

#include <boost/system/result.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace walcast {

struct assembler_options {
    pgoutput_options protocol;
    std::size_t segment_bytes = 1U << 20U;
    /// What all transactions in progress may hold in memory; past it the largest goes to disk.
    std::size_t stream_memory_bytes = 64U << 20U;
    std::string spill_directory = "/var/tmp";
    /// Logical messages with another prefix are somebody else's.
    std::string message_prefix = "walcast";
    /// Refuse values in the binary form of types that only the database knows (decode_error::unknown_binary).
    bool only_known_binary = true;
};

struct assembler_counts {
    std::uint64_t non_transactional_messages = 0; ///< ignored: they have no place in commit order
    std::uint64_t foreign_messages = 0;           ///< dropped: another prefix
    std::uint64_t streams_begun = 0;
    std::uint64_t streams_aborted = 0;
    std::uint64_t spilled_bytes = 0;
};

/// Makes transactions of pgoutput's messages: committed ones as they come, streamed ones at their commit.
/// Sees no socket. Driven by the slot source, on its thread: `consume` each message and, while `replaying`,
/// `replay_step`. Segments go to the sink from within both.
///
/// An error of `consume` that is_spill_error means that the disk took nothing and the message was not
/// consumed: wait, then hand in the same one again; meanwhile the server is held back by not being read.
/// After any other error, and any of `replay_step`, give up the connection; then `begin_connection`, which
/// forgets what was half received but not what was handed on, so nothing is handed on twice.
class transaction_assembler {
  public:
    transaction_assembler(assembler_options options, segment_writer::sink to);

    [[nodiscard]] boost::system::result<void> consume(std::string_view message);

    /// A streamed transaction has committed and is being handed on, segment by segment, so that its size does
    /// not keep the thread from answering keepalives.
    [[nodiscard]] bool replaying() const { return static_cast<bool>(replay_); }
    /// Hands on about one segment.
    [[nodiscard]] boost::system::result<void> replay_step();

    void begin_connection();
    /// Where to go on after a restart, or, with a zero position, from wherever the slot begins.
    void resume_after(position last, bool complete) { writer_.resume_after(last, complete); }
    /// After begin_connection: the slot is another one than before, and begins here.
    void restart(lsn at) { writer_.restart(at); }

    /// Everything that committed before this was handed on (or had nothing to hand on): what may be
    /// acknowledged as received. Also true while a later transaction is under way.
    [[nodiscard]] lsn decoded() const { return writer_.decoded(); }
    /// The position handed on last, and whether its transaction is whole.
    [[nodiscard]] position last() const { return writer_.last(); }
    [[nodiscard]] bool last_complete() const { return writer_.last_complete(); }
    /// Between a Begin and its Commit, or in the middle of a replay.
    [[nodiscard]] bool in_transaction() const { return writer_.open(); }

    [[nodiscard]] const assembler_counts &counts() const { return counts_; }
    [[nodiscard]] std::uint64_t empty_transactions() const { return writer_.empty_transactions(); }
    [[nodiscard]] std::size_t streams() const { return streams_.size(); }
    [[nodiscard]] std::size_t stream_memory() const { return stream_memory_; }
    /// Bytes in spill files, that of the transaction being handed on included.
    [[nodiscard]] std::uint64_t stream_disk() const;

  private:
    using outcome = boost::system::result<void>;
    using buffer_ptr = std::unique_ptr<stream_buffer>;

    struct replay {
        buffer_ptr from;
        relation_cache relations;
        lsn end;
    };

    outcome on(const pgoutput::begin &read);
    outcome on(const pgoutput::commit &read);
    outcome on(const pgoutput::relation &read);
    outcome on(const pgoutput::stream_start &read);
    outcome on(const pgoutput::stream_stop &read);
    outcome on(const pgoutput::stream_commit &read);
    outcome on(const pgoutput::stream_abort &read);
    outcome on(const pgoutput::two_phase &read);
    outcome on(const pgoutput::origin &) { return {}; }
    outcome on(const pgoutput::type &) { return {}; }
    template <class Change>
    outcome on(const Change &read) {
        return write(read, relations_);
    }

    outcome write(const pgoutput::insert &read, const relation_cache &tables);
    outcome write(const pgoutput::update &read, const relation_cache &tables);
    outcome write(const pgoutput::remove &read, const relation_cache &tables);
    outcome write(const pgoutput::truncate &read, const relation_cache &tables);
    outcome write(const pgoutput::logical_message &read, const relation_cache &tables);

    [[nodiscard]] bool wanted(const pgoutput::logical_message &read);
    outcome keep(std::string_view bytes, const pgoutput::message &read);
    outcome make_room(std::size_t bytes);
    void take_out(std::unordered_map<std::uint32_t, buffer_ptr>::iterator of);
    outcome replay_one(const stream_buffer::record &kept);

    assembler_options options_;
    pgoutput_decoder decoder_;
    segment_writer writer_;
    relation_cache relations_; ///< as committed transactions see them
    std::unordered_map<std::uint32_t, buffer_ptr> streams_;
    stream_buffer *stream_ = nullptr; ///< the one whose block is being received
    std::size_t stream_memory_ = 0;   ///< of all in streams_
    std::optional<replay> replay_;
    std::uint64_t receipt_ = 0; ///< numbers the messages, across connections
    assembler_counts counts_;
};

} // namespace walcast
