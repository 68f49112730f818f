#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace walcast {

/// The header of an unmasked, final WebSocket text frame (RFC 6455 §5.2), as a server sends it:
///
///     1 byte   FIN and opcode 1
///     1 byte   the length if below 126; 126: two more bytes; 127: eight more bytes, both big-endian
class text_frame_header {
  public:
    explicit text_frame_header(std::uint64_t payload) {
        bytes_[0] = static_cast<char>(0x81);
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
