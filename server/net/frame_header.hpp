#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace walcast {

/// What a frame that is a whole message carries: the opcode.
enum class frame_kind : std::uint8_t { text = 1, binary = 2 };

/// The header of an unmasked, final WebSocket frame (RFC 6455 §5.2), as a server sends it:
///
///     1 byte   FIN and the opcode
///     1 byte   the length if below 126; 126: two more bytes; 127: eight more bytes, both big-endian
class frame_header {
  public:
    frame_header(frame_kind kind, std::uint64_t payload) {
        bytes_[0] = static_cast<char>(0x80 | static_cast<int>(kind));
        if (payload < 126) {
            bytes_[1] = static_cast<char>(payload);
            size_ = 2;
            return;
        }
        const std::size_t width = payload < 65'536 ? 2 : 8;
        bytes_[1] = static_cast<char>(width == 2 ? 126 : 127);
        for (std::size_t at = 0; at < width; ++at)
            bytes_[2 + at] = static_cast<char>(payload >> 8 * (width - 1 - at));
        size_ = 2 + width;
    }

    [[nodiscard]] std::string_view bytes() const { return {bytes_.data(), size_}; }

  private:
    std::array<char, 10> bytes_{};
    std::size_t size_ = 0;
};

} // namespace walcast
