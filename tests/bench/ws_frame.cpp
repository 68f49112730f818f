#include "tests/bench/ws_frame.hpp"

namespace walcast::bench {

// RFC 6455 §5.2
//
//   byte 0  FIN(1) RSV(3) opcode(4)
//   byte 1  MASK(1) length(7): the length below 126; 126: 16 bits follow; 127: 64 bits follow
//   then    the extended length, big endian; the mask (4 bytes, only from clients); the payload

namespace {

constexpr unsigned char fin_bit = 0x80;
constexpr unsigned char reserved_bits = 0x70;
constexpr unsigned char mask_bit = 0x80;

[[nodiscard]] bool known(unsigned code) {
    return code <= 2 || (code >= 8 && code <= 10);
}

} // namespace

frame_status parse_server_frame(std::string_view bytes, std::size_t max_payload, frame_view &frame) {
    if (bytes.size() < 2)
        return frame_status::incomplete;
    const auto at = [bytes](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
    if ((at(0) & reserved_bits) != 0 || (at(1) & mask_bit) != 0 || !known(at(0) & 0x0fu))
        return frame_status::invalid;

    std::uint64_t length = at(1) & 0x7fu;
    std::size_t header = 2;
    if (length >= 126) {
        header = length == 126 ? 4 : 10;
        if (bytes.size() < header)
            return frame_status::incomplete;
        length = 0;
        for (std::size_t i = 2; i < header; ++i)
            length = length << 8 | at(i);
    }
    if (length > max_payload)
        return frame_status::invalid;
    if (bytes.size() - header < length)
        return frame_status::incomplete;
    frame.code = static_cast<opcode>(at(0) & 0x0fu);
    frame.last = (at(0) & fin_bit) != 0;
    frame.payload = bytes.substr(header, static_cast<std::size_t>(length));
    frame.size = header + static_cast<std::size_t>(length);
    return frame_status::complete;
}

void append_client_frame(std::string &to, opcode code, std::string_view payload, std::uint32_t mask) {
    to.push_back(static_cast<char>(fin_bit | static_cast<unsigned char>(code)));
    const std::uint64_t length = payload.size();
    const unsigned extended = length < 126 ? 0 : length <= 0xffff ? 2 : 8;
    const std::uint64_t short_length = extended == 0 ? length : extended == 2 ? 126 : 127;
    to.push_back(static_cast<char>(mask_bit | short_length));
    for (unsigned i = extended; i-- > 0;)
        to.push_back(static_cast<char>(length >> (8 * i) & 0xff));
    const char key[4] = {static_cast<char>(mask >> 24 & 0xff), static_cast<char>(mask >> 16 & 0xff),
                         static_cast<char>(mask >> 8 & 0xff), static_cast<char>(mask & 0xff)};
    to.append(key, sizeof key);
    for (std::size_t i = 0; i < payload.size(); ++i)
        to.push_back(static_cast<char>(payload[i] ^ key[i % 4]));
}

} // namespace walcast::bench
