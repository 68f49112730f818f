#include "db/pgoutput_decoder.hpp"

#include "db/decode_error.hpp"

#include <algorithm>
#include <optional>

namespace walcast {

namespace {
using namespace pgoutput;
using boost::system::result;

/// Microseconds since 2000 become microseconds since 1970; unsigned, because bytes can be anything.
std::int64_t unix_time(byte_reader &from) {
    return static_cast<std::int64_t>(from.u64() + static_cast<std::uint64_t>(postgres_epoch_unix_us));
}

lsn location(byte_reader &from) {
    return lsn{from.u64()};
}

/// One message's fields, in the order of the section "Logical Replication Message Formats". Each function
/// reads what follows the type byte and leaves judgement of the length to `parse`; what only a value can tell
/// sets `bad_`.
class parser {
  public:
    parser(std::string_view bytes, bool streamed, const pgoutput_options &options)
        : from_(bytes)
        , streamed_(streamed)
        , options_(options) {}

    result<message> parse() {
        const char kind = from_.character();
        if (from_.failed())
            return decode_error::truncated;
        if (streamed_ && !allowed_in_stream(kind))
            return decode_error::unexpected_message;
        const auto read = fields(kind);
        if (!read)
            return decode_error::unknown_message;
        if (from_.failed())
            return decode_error::truncated;
        if (bad_)
            return decode_error::bad_field;
        if (!from_.at_end())
            return decode_error::trailing_bytes;
        if (std::holds_alternative<two_phase>(*read) && !options_.two_phase)
            return decode_error::two_phase_unrequested;
        return *read;
    }

  private:
    /// An Origin may follow Stream Start; all other control messages come between the blocks.
    static bool allowed_in_stream(char kind) {
        return std::string_view("RYIUDTMEO").find(kind) != std::string_view::npos;
    }

    std::optional<message> fields(char kind) {
        switch (kind) {
        case 'B':
            return read_begin();
        case 'C':
            return read_commit();
        case 'O':
            return read_origin();
        case 'R':
            return read_relation();
        case 'Y':
            return read_type();
        case 'I':
            return read_insert();
        case 'U':
            return read_update();
        case 'D':
            return read_remove();
        case 'T':
            return read_truncate();
        case 'M':
            return read_message();
        case 'S':
            return read_stream_start();
        case 'E':
            return stream_stop{};
        case 'c':
            return read_stream_commit();
        case 'A':
            return read_stream_abort();
        case 'b':
            return read_prepared(two_phase_step::begin_prepare);
        case 'P':
            return read_prepared(two_phase_step::prepare);
        case 'K':
            return read_prepared(two_phase_step::commit_prepared);
        case 'r':
            return read_prepared(two_phase_step::rollback_prepared);
        case 'p':
            return read_prepared(two_phase_step::stream_prepare);
        default:
            return std::nullopt;
        }
    }

    /// Begin: 'B' | Int64 final LSN | Int64 commit time | Int32 xid
    begin read_begin() {
        begin read{};
        read.final = location(from_);
        read.committed_at = unix_time(from_);
        read.xid = from_.u32();
        require(static_cast<bool>(read.final));
        return read;
    }

    /// Commit: 'C' | Int8 flags = 0 | Int64 commit LSN | Int64 end LSN | Int64 commit time
    commit read_commit() {
        commit read{};
        require(from_.u8() == 0);
        read.at = location(from_);
        read.end = location(from_);
        read.committed_at = unix_time(from_);
        require(read.at && read.end);
        return read;
    }

    /// Origin: 'O' | Int64 commit LSN on the origin | String name
    origin read_origin() {
        origin read{};
        read.at = location(from_);
        read.name = from_.string();
        return read;
    }

    /// Relation: 'R' | [Int32 xid] | Int32 oid | String namespace | String name | Int8 replica identity
    ///           | Int16 columns | for each: Int8 flags (1 = key) | String name | Int32 type | Int32 type
    ///           modifier
    relation read_relation() {
        relation read{};
        read.xid = stream_xid();
        read.oid = from_.u32();
        read.schema = from_.string();
        read.name = from_.string();
        read.replica_identity = from_.character();
        read.column_count = from_.u16();
        const auto before = from_.rest();
        for (unsigned at = 0; at < read.column_count && !from_.failed(); ++at) {
            from_.u8();
            from_.string();
            from_.bytes(8);
        }
        read.columns = before.substr(0, before.size() - from_.rest().size());
        return read;
    }

    /// Type: 'Y' | [Int32 xid] | Int32 oid | String namespace | String name
    type read_type() {
        type read{};
        read.xid = stream_xid();
        read.oid = from_.u32();
        read.schema = from_.string();
        read.name = from_.string();
        return read;
    }

    /// Insert: 'I' | [Int32 xid] | Int32 oid | 'N' | TupleData
    insert read_insert() {
        insert read{};
        read.xid = stream_xid();
        read.oid = from_.u32();
        require(from_.character() == 'N');
        read.row = tuple();
        return read;
    }

    /// Update: 'U' | [Int32 xid] | Int32 oid | ['K' or 'O' | TupleData] | 'N' | TupleData
    update read_update() {
        update read{};
        read.xid = stream_xid();
        read.oid = from_.u32();
        auto next = from_.character();
        if (next == 'K' || next == 'O') {
            read.old_kind = static_cast<old_tuple>(next);
            read.old_row = tuple();
            next = from_.character();
        }
        require(next == 'N');
        read.row = tuple();
        return read;
    }

    /// Delete: 'D' | [Int32 xid] | Int32 oid | 'K' or 'O' | TupleData
    remove read_remove() {
        remove read{};
        read.xid = stream_xid();
        read.oid = from_.u32();
        const auto kind = from_.character();
        require(kind == 'K' || kind == 'O');
        read.old_kind = static_cast<old_tuple>(kind);
        read.old_row = tuple();
        return read;
    }

    /// Truncate: 'T' | [Int32 xid] | Int32 relations | Int8 options (1 CASCADE, 2 RESTART IDENTITY) | Int32
    /// oid …
    truncate read_truncate() {
        truncate read{};
        read.xid = stream_xid();
        const std::size_t count = from_.u32();
        const auto options = from_.u8();
        read.cascade = (options & 1U) != 0;
        read.restart_identity = (options & 2U) != 0;
        read.oids = from_.bytes(count * 4);
        return read;
    }

    /// Message: 'M' | [Int32 xid] | Int8 flags (1 transactional) | Int64 LSN | String prefix | Int32 length |
    /// content
    logical_message read_message() {
        logical_message read{};
        read.xid = stream_xid();
        read.transactional = (from_.u8() & 1U) != 0;
        read.at = location(from_);
        read.prefix = from_.string();
        read.content = from_.bytes(from_.u32());
        return read;
    }

    /// Stream Start: 'S' | Int32 xid | Int8 first block
    stream_start read_stream_start() {
        stream_start read{};
        read.xid = from_.u32();
        const auto first = from_.u8();
        require(first <= 1 && read.xid != 0);
        read.first = first == 1;
        return read;
    }

    /// Stream Commit: 'c' | Int32 xid | Int8 flags = 0 | Int64 commit LSN | Int64 end LSN | Int64 commit time
    stream_commit read_stream_commit() {
        stream_commit read{};
        read.xid = from_.u32();
        require(from_.u8() == 0);
        read.at = location(from_);
        read.end = location(from_);
        read.committed_at = unix_time(from_);
        require(read.at && read.end);
        return read;
    }

    /// Stream Abort: 'A' | Int32 xid | Int32 subxid | with streaming 'parallel': Int64 abort LSN | Int64
    /// abort time
    stream_abort read_stream_abort() {
        stream_abort read{};
        read.xid = from_.u32();
        read.subxid = from_.u32();
        if (options_.parallel_streaming) {
            read.at = location(from_);
            read.aborted_at = unix_time(from_);
        }
        return read;
    }

    /// Begin Prepare:     'b' | Int64 prepare LSN | Int64 end LSN | Int64 prepare time | Int32 xid | String
    /// gid Prepare:           'P' | Int8 flags = 0 | as Begin Prepare Stream Prepare:    'p' | as Prepare
    /// Commit Prepared:   'K' | Int8 flags = 0 | Int64 commit LSN | Int64 end LSN | Int64 commit time | Int32
    /// xid
    ///                    | String gid
    /// Rollback Prepared: 'r' | Int8 flags = 0 | Int64 prepare end LSN | Int64 rollback end LSN | Int64
    /// prepare time
    ///                    | Int64 rollback time | Int32 xid | String gid
    two_phase read_prepared(two_phase_step step) {
        two_phase read{};
        read.step = step;
        if (step != two_phase_step::begin_prepare)
            require(from_.u8() == 0);
        read.at = location(from_);
        read.end = location(from_);
        from_.bytes(step == two_phase_step::rollback_prepared ? 16 : 8);
        read.xid = from_.u32();
        read.gid = from_.string();
        return read;
    }

    /// TupleData: Int16 columns | for each: 'n' null, or 'u' unchanged TOAST, or 't' text or 'b' binary, then
    ///            Int32 length | bytes
    tuple_view tuple() {
        const auto columns = from_.u16();
        const auto before = from_.rest();
        for (unsigned at = 0; at < columns && !from_.failed(); ++at)
            switch (from_.character()) {
            case 'n':
            case 'u':
                break;
            case 't':
            case 'b':
                from_.bytes(from_.u32());
                break;
            default:
                bad_ = true;
                return {};
            }
        return {columns, before.substr(0, before.size() - from_.rest().size())};
    }

    /// Int32 xid, in a streamed transaction only.
    std::uint32_t stream_xid() { return streamed_ ? from_.u32() : 0; }

    void require(bool holds) {
        if (!holds)
            bad_ = true;
    }

    byte_reader from_;
    bool streamed_;
    bool bad_ = false;
    const pgoutput_options &options_;
};

result<message> parse(std::string_view bytes, bool streamed, const pgoutput_options &options) {
    if (bytes.size() > max_pgoutput_message)
        return decode_error::message_too_large;
    return parser(bytes, streamed, options).parse();
}
} // namespace

result<message> pgoutput_decoder::decode(std::string_view bytes) {
    auto read = parse(bytes, in_stream_, options_);
    if (!read)
        return read;
    if (std::holds_alternative<stream_start>(*read))
        in_stream_ = true;
    else if (std::holds_alternative<stream_stop>(*read)) {
        if (!in_stream_)
            return decode_error::unexpected_message;
        in_stream_ = false;
    }
    return read;
}

result<message> pgoutput_decoder::decode_streamed(std::string_view bytes) const {
    return parse(bytes, true, options_);
}

} // namespace walcast
