#include "server/feed/transaction.hpp"

#include <algorithm>
#include <utility>

namespace walcast {

value row::operator[](int column) const {
    if (column < 0 || static_cast<std::uint32_t>(column) >= count_)
        return {};
    return owner_->at(first_ + static_cast<std::uint32_t>(column));
}

value transaction::at(std::uint32_t cell_number) const {
    const auto &from = cells_[cell_number];
    return {from.kind, std::string_view(bytes_).substr(from.offset, from.size)};
}

relation_ptr transaction::table_of(const change &of) const {
    const auto found = std::find_if(relations_.begin(), relations_.end(),
                                    [&of](const relation_ptr &one) { return one.get() == of.table; });
    return found == relations_.end() ? nullptr : *found;
}

std::string_view transaction::message_prefix(const change &of) const {
    return at(of.new_first).bytes;
}

std::string_view transaction::message_content(const change &of) const {
    return at(of.new_first + 1).bytes;
}

std::size_t transaction::footprint() const {
    return sizeof(transaction) + changes_.capacity() * sizeof(change) + cells_.capacity() * sizeof(cell) +
           relations_.capacity() * sizeof(relation_ptr) + bytes_.capacity();
}

void transaction_builder::begin(std::uint32_t xid, lsn commit, std::int64_t committed_at) {
    current_ = std::make_shared<transaction>();
    current_->xid_ = xid;
    current_->commit_ = commit;
    current_->committed_at_ = committed_at;
    next_index_ = 0;
}

void transaction_builder::expect(std::size_t values, std::size_t bytes) {
    // reserve() alone would allocate exactly that, each time anew, and make a large transaction quadratic.
    const auto make_room = [](auto &in, std::size_t more) {
        if (in.capacity() - in.size() < more)
            in.reserve(std::max(in.size() + more, in.capacity() * 2));
    };
    make_room(current_->cells_, values);
    make_room(current_->bytes_, bytes);
}

void transaction_builder::add(change_kind kind, const relation_ptr &table) {
    change next;
    next.kind = kind;
    next.index = next_index_++;
    next.table = table.get();
    auto &known = current_->relations_;
    if (table && (known.empty() || known.back() != table) &&
        std::find(known.begin(), known.end(), table) == known.end())
        known.push_back(table);
    current_->changes_.push_back(next);
}

std::uint32_t transaction_builder::add_cell(value_kind kind, std::string_view bytes) {
    auto &into = *current_;
    into.cells_.push_back({kind, static_cast<std::uint32_t>(bytes.size()), into.bytes_.size()});
    into.bytes_.append(bytes);
    return static_cast<std::uint32_t>(into.cells_.size() - 1);
}

void transaction_builder::add_new(value_kind kind, std::string_view bytes) {
    const auto cell = add_cell(kind, bytes);
    auto &of = current_->changes_.back();
    if (of.new_count++ == 0)
        of.new_first = cell;
}

void transaction_builder::add_old(value_kind kind, std::string_view bytes) {
    const auto cell = add_cell(kind, bytes);
    auto &of = current_->changes_.back();
    if (of.old_count++ == 0)
        of.old_first = cell;
}

void transaction_builder::add_message(std::string_view prefix, std::string_view content) {
    add(change_kind::message, nullptr);
    add_new(value_kind::text, prefix);
    add_new(value_kind::text, content);
}

std::size_t transaction_builder::footprint() const {
    if (!current_)
        return 0;
    return sizeof(transaction) + current_->changes_.size() * sizeof(change) +
           current_->cells_.size() * sizeof(transaction::cell) + current_->bytes_.size();
}

transaction_ptr transaction_builder::cut() {
    auto rest = std::make_shared<transaction>();
    rest->xid_ = current_->xid_;
    rest->commit_ = current_->commit_;
    rest->committed_at_ = current_->committed_at_;
    // The next segment will most likely be as large, and growing to that step by step costs more than filling
    // it.
    rest->changes_.reserve(current_->changes_.size());
    rest->cells_.reserve(current_->cells_.size());
    rest->bytes_.reserve(current_->bytes_.size());
    return std::exchange(current_, std::move(rest));
}

transaction_ptr transaction_builder::finish(lsn end) {
    current_->end_ = end;
    return std::exchange(current_, nullptr);
}

} // namespace walcast
