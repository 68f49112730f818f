#include "db/transaction_assembler.hpp"

#include "db/decode_error.hpp"

#include <algorithm>
#include <type_traits>
#include <utility>

/// The part of transaction_assembler that handles transactions which the server streams while they are in
/// progress.
namespace walcast {

namespace {
constexpr std::size_t replay_step_bytes = 4U << 20U;
} // namespace

std::uint64_t transaction_assembler::stream_disk() const {
    std::uint64_t held = replay_ ? replay_->from->spilled() : 0;
    for (const auto &[xid, stream] : streams_)
        held += stream->spilled();
    return held;
}

void transaction_assembler::take_out(std::unordered_map<std::uint32_t, buffer_ptr>::iterator of) {
    stream_memory_ -= of->second->memory();
    streams_.erase(of);
}

transaction_assembler::outcome transaction_assembler::on(const pgoutput::stream_start &read) {
    if (writer_.open())
        return decode_error::unexpected_message;
    if (read.first) {
        if (const auto before = streams_.find(read.xid); before != streams_.end())
            take_out(before);
        stream_ = (streams_[read.xid] = std::make_unique<stream_buffer>()).get();
        ++counts_.streams_begun;
        return {};
    }
    const auto found = streams_.find(read.xid);
    if (found == streams_.end())
        return decode_error::unknown_stream;
    stream_ = found->second.get();
    return {};
}

transaction_assembler::outcome transaction_assembler::on(const pgoutput::stream_stop &) {
    stream_ = nullptr;
    return {};
}

transaction_assembler::outcome transaction_assembler::on(const pgoutput::stream_abort &read) {
    const auto found = streams_.find(read.xid);
    if (found == streams_.end())
        return {}; // nothing of it was kept
    if (read.subxid != read.xid) {
        found->second->abort(read.subxid);
        return {};
    }
    take_out(found);
    ++counts_.streams_aborted;
    return {};
}

transaction_assembler::outcome transaction_assembler::keep(std::string_view bytes,
                                                           const pgoutput::message &read) {
    if (std::holds_alternative<pgoutput::type>(read) || std::holds_alternative<pgoutput::origin>(read))
        return {};
    if (const auto *message = std::get_if<pgoutput::logical_message>(&read); message && !wanted(*message))
        return {};
    if (auto room = make_room(bytes.size()); !room)
        return room;
    const auto before = stream_->memory();
    stream_->append(++receipt_, bytes);
    stream_memory_ += stream_->memory() - before;
    return {};
}

transaction_assembler::outcome transaction_assembler::make_room(std::size_t bytes) {
    while (stream_memory_ != 0 && stream_memory_ + bytes > options_.stream_memory_bytes) {
        const auto largest =
            std::max_element(streams_.begin(), streams_.end(), [](const auto &a, const auto &b) {
                return a.second->memory() < b.second->memory();
            });
        auto &victim = *largest->second;
        const auto on_disk = victim.spilled();
        const auto in_memory = victim.memory();
        auto done = victim.spill(options_.spill_directory);
        counts_.spilled_bytes += victim.spilled() - on_disk;
        stream_memory_ -= in_memory - victim.memory();
        if (!done)
            return done;
    }
    return {};
}

transaction_assembler::outcome transaction_assembler::on(const pgoutput::stream_commit &read) {
    const auto found = streams_.find(read.xid);
    if (found == streams_.end())
        return decode_error::unknown_stream;
    if (auto begun = writer_.begin(read.xid, read.at, read.committed_at); !begun)
        return begun;
    stream_memory_ -= found->second->memory();
    replay_.emplace(replay{std::move(found->second), {}, read.end});
    streams_.erase(found);
    replay_->from->start_reading();
    return {};
}

transaction_assembler::outcome transaction_assembler::replay_step() {
    if (!replay_)
        return {};
    const auto before = writer_.segments();
    // Also bounded when there is nothing to hand on: all aborted, or handed on before.
    std::size_t handled = 0;
    while (writer_.segments() == before && handled < replay_step_bytes) {
        const auto kept = replay_->from->next();
        if (!kept)
            return kept.error();
        if (!*kept) {
            relations_.merge(replay_->relations);
            writer_.finish(replay_->end);
            replay_.reset();
            return {};
        }
        handled += (*kept)->message.size();
        if (auto done = replay_one(**kept); !done)
            return done;
    }
    return {};
}

transaction_assembler::outcome transaction_assembler::replay_one(const stream_buffer::record &kept) {
    const auto read = decoder_.decode_streamed(kept.message);
    if (!read)
        return read.error();
    return std::visit(
        [&](const auto &of) -> outcome {
            using kind = std::decay_t<decltype(of)>;
            if constexpr (std::is_same_v<kind, pgoutput::relation>) {
                // Applied even when its subtransaction was aborted. The server notes per *top-level*
                // transaction which tables it has described, so a later change of a subtransaction that did
                // commit may rely on a description sent first under one that did not:
                //
                //     SAVEPOINT a; INSERT t;  → Relation t (xid a), Insert (xid a)
                //     ROLLBACK TO a           → Stream Abort (top, a)
                //     INSERT t                → Insert (xid top), possibly with no Relation before it
                //
                // A shape that an aborted ALTER made does no harm: the server describes the table again, in
                // order, before the next change of it.
                //
                // The descriptions are kept apart from those of other transactions until this one has
                // committed, as nobody else may see an ALTER before that. Then they count for all, since the
                // server will not send them again; but only where no newer one has arrived meanwhile
                // (relation_cache::merge).
                replay_->relations.apply(of, kept.receipt, &relations_);
                return {};
            } else if constexpr (requires { this->write(of, relations_); }) {
                if (replay_->from->aborted(of.xid))
                    return {};
                return write(of, replay_->relations);
            } else {
                return {};
            }
        },
        *read);
}

} // namespace walcast
