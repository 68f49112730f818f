#pragma once

#include "server/feed/transaction.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace walcast {

/// The newest row of one object as far as it is known, with memory of its own. A value: copies are
/// independent.
///
/// Begins knowing nothing. An insert or an update makes it the new row; a column that the update left out of
/// line (`value_kind::unchanged`) keeps the value that was known before, under the column's name if the
/// table's shape has changed, and stays `unchanged` if none was, or one of another type.
class record_image {
  public:
    enum class standing : std::uint8_t {
        unknown, ///< nothing is known
        present,
        absent, ///< there is no such row
    };

    /// `in` is an insert, update or remove of this object's row.
    void apply(const transaction &of, const change &in);
    /// There is no such row.
    void set_absent();
    /// Nothing is known any more.
    void forget();

    [[nodiscard]] standing is() const { return standing_; }
    /// Present with every value known, or absent: what a snapshot can be answered with.
    [[nodiscard]] bool complete() const {
        return standing_ == standing::absent || (standing_ == standing::present && holes_ == 0);
    }
    /// Null unless present.
    [[nodiscard]] const relation_ptr &table() const { return table_; }
    /// By the column's place in table(); good until the next change of the image.
    [[nodiscard]] value operator[](int column) const;
    [[nodiscard]] std::size_t footprint() const;

  private:
    struct cell {
        value_kind kind = value_kind::absent;
        std::uint32_t size = 0;
        std::size_t offset = 0;
    };

    /// What is known of a column of `now`; nothing if the column was not there, or had values of another
    /// form.
    [[nodiscard]] value before(const relation &now, std::size_t place) const;

    standing standing_ = standing::unknown;
    relation_ptr table_;
    std::vector<cell> cells_;
    std::string bytes_;
    std::size_t holes_ = 0;
};

} // namespace walcast
