#include "db/transaction_assembler.hpp"

#include "db/decode_error.hpp"

#include <utility>

namespace walcast {

namespace {
/// Whether every value of the row is in a form that readers understand. A table's columns may be given any
/// type at any time; what the server sends of one that it made itself is binary only for those who know it.
bool readable(const relation &table, const pgoutput::tuple_view &row) {
    if (table.binary_known() || row.size() != table.columns().size())
        return true; // the latter is for the writer to refuse
    bool all = true;
    auto column = table.columns().begin();
    row.for_each([&](value_kind kind, std::string_view) {
        all = all && (kind != value_kind::binary || pg_type::binary_known(column->type));
        ++column;
    });
    return all;
}
} // namespace

transaction_assembler::transaction_assembler(assembler_options options, segment_writer::sink to)
    : options_(std::move(options))
    , decoder_(options_.protocol)
    , writer_(options_.segment_bytes, std::move(to)) {}

void transaction_assembler::begin_connection() {
    decoder_.reset();
    writer_.abandon();
    relations_.begin_connection(receipt_ + 1);
    stream_ = nullptr;
    streams_.clear();
    stream_memory_ = 0;
    replay_.reset();
}

transaction_assembler::outcome transaction_assembler::consume(std::string_view message) {
    if (replay_)
        return decode_error::unexpected_message;
    const auto read = decoder_.decode(message);
    if (!read)
        return read.error();
    if (stream_ && !std::holds_alternative<pgoutput::stream_stop>(*read))
        return keep(message, *read);
    ++receipt_;
    return std::visit([this](const auto &of) { return on(of); }, *read);
}

transaction_assembler::outcome transaction_assembler::on(const pgoutput::begin &read) {
    return writer_.begin(read.xid, read.final, read.committed_at);
}

transaction_assembler::outcome transaction_assembler::on(const pgoutput::commit &read) {
    if (!writer_.open() || writer_.commit() != read.at)
        return decode_error::unexpected_message;
    writer_.finish(read.end);
    return {};
}

transaction_assembler::outcome transaction_assembler::on(const pgoutput::relation &read) {
    relations_.apply(read, receipt_);
    return {};
}

transaction_assembler::outcome transaction_assembler::on(const pgoutput::two_phase &) {
    return decode_error::unexpected_message;
}

transaction_assembler::outcome transaction_assembler::write(const pgoutput::insert &read,
                                                            const relation_cache &tables) {
    const auto &table = tables.find(read.oid);
    if (!table)
        return decode_error::unknown_relation;
    if (options_.only_known_binary && !readable(*table, read.row))
        return decode_error::unknown_binary;
    return writer_.insert(table, read.row);
}

transaction_assembler::outcome transaction_assembler::write(const pgoutput::update &read,
                                                            const relation_cache &tables) {
    const auto &table = tables.find(read.oid);
    if (!table)
        return decode_error::unknown_relation;
    if (options_.only_known_binary && !(readable(*table, read.row) && readable(*table, read.old_row)))
        return decode_error::unknown_binary;
    return writer_.update(table, read);
}

transaction_assembler::outcome transaction_assembler::write(const pgoutput::remove &read,
                                                            const relation_cache &tables) {
    const auto &table = tables.find(read.oid);
    if (!table)
        return decode_error::unknown_relation;
    if (options_.only_known_binary && !readable(*table, read.old_row))
        return decode_error::unknown_binary;
    return writer_.remove(table, read);
}

transaction_assembler::outcome transaction_assembler::write(const pgoutput::truncate &read,
                                                            const relation_cache &tables) {
    outcome done;
    read.for_each([&](std::uint32_t oid) {
        if (!done)
            return;
        const auto &table = tables.find(oid);
        done = table ? writer_.truncate(table) : outcome(decode_error::unknown_relation);
    });
    return done;
}

transaction_assembler::outcome transaction_assembler::write(const pgoutput::logical_message &read,
                                                            const relation_cache &) {
    if (!wanted(read))
        return {};
    return writer_.message(read.prefix, read.content);
}

bool transaction_assembler::wanted(const pgoutput::logical_message &read) {
    if (!read.transactional) {
        ++counts_.non_transactional_messages;
        return false;
    }
    if (!read.prefix.starts_with(options_.message_prefix)) {
        ++counts_.foreign_messages;
        return false;
    }
    return true;
}

} // namespace walcast
