#include "db/segment_writer.hpp"

#include "db/decode_error.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace walcast {

using boost::system::result;

segment_writer::segment_writer(std::size_t segment_bytes, sink to)
    : segment_bytes_(segment_bytes)
    , sink_(std::move(to)) {}

void segment_writer::resume_after(position last, bool complete) {
    last_ = last;
    last_complete_ = complete;
}

void segment_writer::restart(lsn at) {
    abandon();
    last_ = {};
    last_complete_ = true;
    decoded_ = at;
}

result<void> segment_writer::begin(std::uint32_t xid, lsn commit, std::int64_t committed_at) {
    if (open_)
        return decode_error::unexpected_message;
    // Transactions come in commit order. When a later one begins, the half-delivered one will never be whole,
    // and going on would be a silent gap.
    if (!last_complete_ && commit > last_.commit)
        return decode_error::transaction_lost;
    open_ = true;
    commit_ = commit;
    next_ = 0;
    discard_ = commit < last_.commit || (commit == last_.commit && last_complete_);
    skip_until_ = commit == last_.commit && !discard_ ? last_.index + 1 : 0;
    if (!discard_)
        builder_.begin(xid, commit, committed_at);
    return {};
}

result<segment_writer::verdict> segment_writer::next_change() {
    if (!open_)
        return decode_error::unexpected_message;
    if (discard_)
        return verdict::leave_out;
    if (next_ == std::numeric_limits<std::uint32_t>::max())
        return decode_error::too_many_changes;
    if (next_++ < skip_until_) {
        builder_.skip();
        return verdict::leave_out;
    }
    // Cut before a change, not after one: so the last segment has at least one change.
    if (!builder_.empty() && builder_.footprint() >= segment_bytes_)
        emit(builder_.cut());
    return verdict::store;
}

result<void> segment_writer::insert(const relation_ptr &table, const pgoutput::tuple_view &row) {
    if (row.size() != table->columns().size())
        return decode_error::wrong_column_count;
    const auto what = next_change();
    if (!what)
        return what.error();
    if (*what == verdict::leave_out)
        return {};
    builder_.expect(row.size(), row.bytes());
    builder_.add(change_kind::insert, table);
    put_new(table, row);
    return {};
}

result<void> segment_writer::update(const relation_ptr &table, const pgoutput::update &change) {
    const auto columns = table->columns().size();
    const bool has_old = change.old_kind != pgoutput::old_tuple::none;
    if (change.row.size() != columns || (has_old && change.old_row.size() != columns))
        return decode_error::wrong_column_count;
    const auto what = next_change();
    if (!what)
        return what.error();
    if (*what == verdict::leave_out)
        return {};
    builder_.expect(change.row.size() + std::size_t{change.old_row.size()},
                    change.row.bytes() + change.old_row.bytes());
    builder_.add(change_kind::update, table);
    if (has_old)
        put_old(table, change.old_kind, change.old_row);
    put_new(table, change.row);
    return {};
}

result<void> segment_writer::remove(const relation_ptr &table, const pgoutput::remove &change) {
    if (change.old_row.size() != table->columns().size())
        return decode_error::wrong_column_count;
    const auto what = next_change();
    if (!what)
        return what.error();
    if (*what == verdict::leave_out)
        return {};
    builder_.expect(change.old_row.size(), change.old_row.bytes());
    builder_.add(change_kind::remove, table);
    put_old(table, change.old_kind, change.old_row);
    return {};
}

result<void> segment_writer::truncate(const relation_ptr &table) {
    const auto what = next_change();
    if (!what)
        return what.error();
    if (*what == verdict::store)
        builder_.add(change_kind::truncate, table);
    return {};
}

result<void> segment_writer::message(std::string_view prefix, std::string_view content) {
    const auto what = next_change();
    if (!what)
        return what.error();
    if (*what == verdict::leave_out)
        return {};
    builder_.expect(2, prefix.size() + content.size());
    builder_.add_message(prefix, content);
    return {};
}

void segment_writer::put_new(const relation_ptr &table, const pgoutput::tuple_view &row) {
    if (table->has_secrets()) {
        auto column = table->columns().begin();
        row.for_each([&](value_kind kind, std::string_view bytes) {
            if ((column++)->secret)
                builder_.add_new(value_kind::absent);
            else
                builder_.add_new(kind, bytes);
        });
        return;
    }
    row.for_each([this](value_kind kind, std::string_view bytes) { builder_.add_new(kind, bytes); });
}

void segment_writer::put_old(const relation_ptr &table, pgoutput::old_tuple kind,
                             const pgoutput::tuple_view &row) {
    // With only the key sent, the other columns come as null, which is not what they were.
    const bool key_only = kind == pgoutput::old_tuple::key;
    auto column = table->columns().begin();
    row.for_each([&](value_kind value, std::string_view bytes) {
        if ((key_only && !column->key) || column->secret)
            builder_.add_old(value_kind::absent);
        else
            builder_.add_old(value, bytes);
        ++column;
    });
}

void segment_writer::finish(lsn end) {
    open_ = false;
    decoded_ = std::max(decoded_, end);
    if (discard_)
        return;
    if (builder_.empty() && commit_ != last_.commit) {
        builder_.abandon();
        ++empty_transactions_;
        return;
    }
    // Empty also when everything but the end had been handed on before the connection was lost.
    emit(builder_.finish(end));
}

void segment_writer::abandon() {
    open_ = false;
    builder_.abandon();
}

void segment_writer::emit(transaction_ptr segment) {
    last_.commit = segment->commit();
    if (!segment->changes().empty())
        last_.index = segment->changes().back().index;
    last_complete_ = segment->last();
    ++segments_;
    sink_(std::move(segment));
}

} // namespace walcast
