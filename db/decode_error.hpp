#pragma once

#include <boost/system/error_code.hpp>

#include <type_traits>

namespace walcast {

/// Why the bytes of the replication stream could not be understood. Every one of these means that relay and
/// server no longer agree about the stream, so the connection is to be given up and begun again where it was
/// confirmed.
enum class decode_error {
    ok = 0,
    truncated,             ///< the message ends before its last field
    trailing_bytes,        ///< the message goes on after its last field
    unknown_message,       ///< a message type that no protocol version up to 4 has
    bad_field,             ///< a field has a value that the protocol does not allow
    message_too_large,     ///< more than a PostgreSQL message can hold
    two_phase_unrequested, ///< a two-phase message, though two-phase decoding was not requested
    unexpected_message,    ///< a known message in a place where it cannot be
    unknown_relation,      ///< a change of a table that was not described on this connection
    wrong_column_count,    ///< a row that does not fit the description of its table
    unknown_stream, ///< the continuation or the commit of a streamed transaction whose beginning did not come
    too_many_changes, ///< more than 2^32 - 1 changes in one transaction
    unknown_binary,   ///< a value in the binary form of a type that only the database knows: ask for text
    transaction_lost, ///< a transaction handed on in part did not come again after a reconnect
};

[[nodiscard]] const boost::system::error_category &decode_category();

[[nodiscard]] inline boost::system::error_code make_error_code(decode_error code) {
    return {static_cast<int>(code), decode_category()};
}

/// The disk refused a streamed transaction's bytes (ENOSPC, EFBIG, EIO …). Unlike a decode_error this is
/// worth trying again with the same message: see transaction_assembler::consume.
[[nodiscard]] inline bool is_spill_error(const boost::system::error_code &code) {
    return code.failed() && code.category() == boost::system::system_category();
}

} // namespace walcast

template <>
struct boost::system::is_error_code_enum<walcast::decode_error> : std::true_type {};
