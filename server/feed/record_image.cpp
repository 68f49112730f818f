#include "server/feed/record_image.hpp"

#include <utility>

namespace walcast {

namespace {

bool word(std::uint32_t type) {
    return type == pg_type::text || type == pg_type::varchar;
}

/// Whether a value of one type reads the same as one of the other.
bool same_form(std::uint32_t one, std::uint32_t other) {
    return one == other || (word(one) && word(other));
}

} // namespace

value record_image::before(const relation &now, std::size_t place) const {
    if (standing_ != standing::present)
        return {};
    if (table_.get() == &now)
        return (*this)[static_cast<int>(place)];
    const auto &wanted = now.columns()[place];
    const auto there = table_->find(wanted.name);
    if (there < 0 || !same_form(table_->columns()[static_cast<std::size_t>(there)].type, wanted.type))
        return {};
    return (*this)[there];
}

void record_image::apply(const transaction &of, const change &in) {
    if (in.kind == change_kind::remove)
        return set_absent();
    auto table = of.table_of(in);
    const auto row = of.new_row(in);
    const auto columns = table->columns().size();

    // What stays is taken from the image before, so the new one is put together beside it.
    std::vector<value> values(columns);
    std::size_t bytes = 0;
    for (std::size_t place = 0; place < columns; ++place) {
        values[place] = row[static_cast<int>(place)];
        if (values[place].kind == value_kind::unchanged)
            if (const auto known = before(*table, place); known.present())
                values[place] = known;
        bytes += values[place].bytes.size();
    }
    std::vector<cell> cells(columns);
    std::string text;
    text.reserve(bytes);
    std::size_t holes = 0;
    for (std::size_t place = 0; place < columns; ++place) {
        const auto &one = values[place];
        cells[place] = {one.kind, static_cast<std::uint32_t>(one.bytes.size()), text.size()};
        text.append(one.bytes);
        holes += one.kind == value_kind::unchanged ? 1 : 0;
    }
    standing_ = standing::present;
    table_ = std::move(table);
    cells_ = std::move(cells);
    bytes_.swap(text); // assigning a short string would keep the memory of a long one
    holes_ = holes;
}

void record_image::set_absent() {
    forget();
    standing_ = standing::absent;
}

void record_image::forget() {
    standing_ = standing::unknown;
    table_.reset();
    cells_ = std::vector<cell>();
    std::string().swap(bytes_);
    holes_ = 0;
}

value record_image::operator[](int column) const {
    if (column < 0 || static_cast<std::size_t>(column) >= cells_.size())
        return {};
    const auto &from = cells_[static_cast<std::size_t>(column)];
    return {from.kind, std::string_view(bytes_).substr(from.offset, from.size)};
}

std::size_t record_image::footprint() const {
    return sizeof(record_image) + cells_.capacity() * sizeof(cell) + bytes_.capacity();
}

} // namespace walcast
