#pragma once

#include <boost/system/result.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace walcast {

/// A file without a name that holds what memory should not: written at its end, read anywhere, gone with the
/// object (and with the process, however it dies). Move-only; owns the descriptor.
///
/// A write that fails leaves the file as long as it was, so it can be tried again when the disk has room.
class stream_spill {
  public:
    [[nodiscard]] static boost::system::result<stream_spill> open(const std::string &directory);

    stream_spill() = default;
    stream_spill(stream_spill &&other) noexcept;
    stream_spill &operator=(stream_spill &&other) noexcept;
    ~stream_spill();

    [[nodiscard]] bool is_open() const { return descriptor_ >= 0; }
    [[nodiscard]] std::uint64_t size() const { return size_; }

    [[nodiscard]] boost::system::result<void> append(std::string_view bytes);
    /// Fills `into` with the bytes at `offset`; all of them or an error.
    [[nodiscard]] boost::system::result<void> read(std::uint64_t offset, std::span<char> into) const;

  private:
    int descriptor_ = -1;
    std::uint64_t size_ = 0;
};

} // namespace walcast
