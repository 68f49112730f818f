#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace walcast::bench {

/// The frame types of RFC 6455 §5.2.
enum class opcode : std::uint8_t {
    continuation = 0, ///< the next part of a message in several frames
    text = 1,         ///< a message, or its first part
    binary = 2,       ///< a message, or its first part
    close = 8,        ///< the end, with a code
    ping = 9,         ///< wants a pong with the same payload
    pong = 10,        ///< answers a ping
};

/// A frame as it lies in the bytes that it was parsed from; valid as long as they are.
struct frame_view {
    opcode code = opcode::text;
    bool last = true; ///< FIN: no continuation follows
    std::string_view payload;
    std::size_t size = 0; ///< of the whole frame, its header included
};

/// What the beginning of some bytes is.
enum class frame_status : std::uint8_t {
    complete,   ///< a whole frame
    incomplete, ///< the beginning of one; more bytes are needed
    invalid,    ///< nothing that a server may send, or larger than allowed
};

/// Parses the frame at the beginning of `bytes`, as a server sends it (not masked, no extension bits).
[[nodiscard]] frame_status parse_server_frame(std::string_view bytes, std::size_t max_payload,
                                              frame_view &frame);

/// Appends one whole frame as a client sends it, masked with `mask`.
void append_client_frame(std::string &to, opcode code, std::string_view payload, std::uint32_t mask);

} // namespace walcast::bench
