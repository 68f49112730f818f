#pragma once

#include "server/feed/transaction.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace walcast {

/// A row and the types of its columns, by their places in the relation. A place that is not there (-1), and a
/// value that is null, not in the change, or of another kind of type, reads as nothing.
class typed_row {
  public:
    typed_row(row values, const relation &table)
        : values_(values)
        , table_(table) {}

    [[nodiscard]] value at(int place) const { return place < 0 ? value{} : values_[place]; }
    [[nodiscard]] std::uint32_t type(int place) const {
        return place < 0 ? 0 : table_.columns()[static_cast<std::size_t>(place)].type;
    }
    [[nodiscard]] std::optional<std::string_view> text(int place) const {
        return to_text(at(place), type(place));
    }
    [[nodiscard]] std::optional<std::int64_t> integer(int place) const {
        return to_integer(at(place), type(place));
    }
    [[nodiscard]] std::optional<bool> boolean(int place) const { return to_boolean(at(place)); }
    /// Microseconds since 1970 UTC.
    [[nodiscard]] std::optional<std::int64_t> time(int place) const {
        return to_unix_microseconds(at(place), type(place));
    }

  private:
    row values_;
    const relation &table_;
};

} // namespace walcast
