#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace walcast::fuzz {

/// An input that is a list, of messages for instance, as bytes: each record is its length, two bytes
/// little-endian, and its bytes; the last may be cut short. Every input whatsoever is such a list.
///
/// A target that is linked with records.cpp is mutated record by record: libFuzzer's mutations work within
/// one, and records are taken out, doubled, exchanged and taken over from other inputs, so that lengths
/// always fit.
[[nodiscard]] std::vector<std::string_view> split_records(std::string_view input);
[[nodiscard]] std::string join_records(const std::vector<std::string> &records);

/// The record at this place, or an empty one behind the last.
[[nodiscard]] inline std::string_view record_at(const std::vector<std::string_view> &records,
                                                std::size_t place) {
    return place < records.size() ? records[place] : std::string_view();
}

[[nodiscard]] inline std::string_view as_text(const std::uint8_t *data, std::size_t size) {
    return {reinterpret_cast<const char *>(data), size};
}

} // namespace walcast::fuzz
