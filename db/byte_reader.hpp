#pragma once

#include <boost/endian/conversion.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace walcast {

/// Reads PostgreSQL's wire types (big-endian integers, zero-terminated strings) from a view, never past its
/// end.
///
/// A read that does not fit returns zero or an empty view and marks the reader as failed for good, so a
/// parser reads all fields first and asks once, at the end.
class byte_reader {
  public:
    explicit byte_reader(std::string_view bytes)
        : rest_(bytes) {}

    [[nodiscard]] bool failed() const { return failed_; }
    [[nodiscard]] bool at_end() const { return rest_.empty(); }
    [[nodiscard]] std::string_view rest() const { return rest_; }

    std::uint8_t u8() { return number<std::uint8_t>(); }
    std::uint16_t u16() { return number<std::uint16_t>(); }
    std::uint32_t u32() { return number<std::uint32_t>(); }
    std::uint64_t u64() { return number<std::uint64_t>(); }
    char character() { return static_cast<char>(u8()); }

    std::string_view bytes(std::size_t count) {
        if (count > rest_.size())
            return fail();
        const auto taken = rest_.substr(0, count);
        rest_.remove_prefix(count);
        return taken;
    }

    /// Up to the terminating zero, which is read and not returned.
    std::string_view string() {
        const auto end = rest_.find('\0');
        if (end == std::string_view::npos)
            return fail();
        const auto taken = rest_.substr(0, end);
        rest_.remove_prefix(end + 1);
        return taken;
    }

  private:
    template <class Number>
    Number number() {
        const auto taken = bytes(sizeof(Number));
        if (taken.empty())
            return 0;
        return boost::endian::endian_load<Number, sizeof(Number), boost::endian::order::big>(
            reinterpret_cast<const unsigned char *>(taken.data()));
    }

    std::string_view fail() {
        failed_ = true;
        rest_ = {};
        return {};
    }

    std::string_view rest_;
    bool failed_ = false;
};

} // namespace walcast
