// What a client does once it has a WebSocket. Each record is a frame: a byte that says how it is sent, and
// its payload; a frame may also be sent as the bytes that it is, right or wrong.

#include "tests/fuzz/records.hpp"
#include "tests/fuzz/require.hpp"
#include "tests/fuzz/shard_fixture.hpp"
#include "tests/unit/protocol/support.hpp"

#include <string>
#include <vector>

using namespace walcast;
using fuzz::require;

namespace {

constexpr std::string_view upgrade =
    "GET /websocket?api_token=secretsecret HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    "Sec-WebSocket-Version: 13\r\n\r\n";

enum opcode : unsigned { continuation = 0, text = 1, close = 8, ping = 9, pong = 10 };

/// The first byte of a record: opcode in the low four bits, then FIN is missing, a reserved bit, no mask,
/// bytes as they are.
std::string frame_of(std::string_view record) {
    const auto how = record.empty() ? 0U : static_cast<unsigned char>(record.front());
    const auto payload = record.substr(record.empty() ? 0 : 1);
    if ((how & 0x80U) != 0)
        return std::string(payload);
    std::string made(
        1, static_cast<char>((how & 0x0fU) | ((how & 0x10U) != 0 ? 0U : 0x80U) | ((how & 0x20U) << 1U)));
    const unsigned mask = (how & 0x40U) != 0 ? 0U : 0x80U;
    if (payload.size() < 126) {
        made += static_cast<char>(mask | payload.size());
    } else {
        made += static_cast<char>(mask | 126U);
        made += static_cast<char>(payload.size() >> 8U);
        made += static_cast<char>(payload.size() & 0xffU);
    }
    if (mask != 0)
        made.append(4, '\0'); // a key of zeros leaves the payload as it is
    return made.append(payload);
}

/// Checks one frame of the server and takes it from the front. False after the Close frame, which is the
/// last.
bool take_frame(std::string_view &from) {
    require(from.size() >= 2, "a frame is whole");
    const auto first = static_cast<unsigned char>(from[0]), second = static_cast<unsigned char>(from[1]);
    require((first & 0xf0U) == 0x80U, "a frame is final and has no reserved bits");
    require((second & 0x80U) == 0, "a server masks nothing");
    std::size_t length = second, at = 2;
    if (second >= 126) {
        const std::size_t width = second == 126 ? 2 : 8;
        require(from.size() >= 2 + width, "a frame's head is whole");
        length = 0;
        for (; at < 2 + width; ++at)
            length = length << 8U | static_cast<unsigned char>(from[at]);
    }
    require(from.size() - at >= length, "a frame is whole");
    const auto payload = from.substr(at, length);
    from.remove_prefix(at + length);
    switch (first & 0x0fU) {
    case opcode::text:
        require(test::valid_json(payload), "a message is JSON");
        return true;
    case opcode::ping:
    case opcode::pong:
        require(length <= 125, "a control frame is short");
        return true;
    case opcode::close:
        require(length == 0 || (length >= 2 && length <= 125), "a Close frame has a code, or nothing");
        return false;
    default:
        require(false, "a server sends text and control frames");
        return false;
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    std::vector<std::string> pieces{std::string(upgrade)};
    for (const auto record : fuzz::split_records(fuzz::as_text(data, size)))
        pieces.push_back(frame_of(record));
    const auto whole = fuzz::talk(pieces);
    std::string_view got = whole;
    const auto head_end = got.find("\r\n\r\n");
    require(got.starts_with("HTTP/1.1 101 ") && head_end != got.npos, "a good handshake is accepted");
    got.remove_prefix(head_end + 4);
    bool open = true;
    while (open && !got.empty())
        open = take_frame(got);
    require(got.empty(), "nothing follows a Close frame");
    return 0;
}
