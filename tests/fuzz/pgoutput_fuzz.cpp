// pgoutput's messages, put together into transactions. A record is a message of the server; the first one
// says how they are read, and where the connection is lost.

#include "db/transaction_assembler.hpp"

#include "db/decode_error.hpp"
#include "server/feed/relation.hpp"
#include "tests/fuzz/records.hpp"
#include "tests/fuzz/require.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using namespace walcast;
using fuzz::require;

namespace {

using records = std::vector<std::string_view>;

constexpr std::size_t nowhere = SIZE_MAX;

std::string text_of(const row &of) {
    std::string made;
    for (int at = 0; at < static_cast<int>(of.size()); ++at)
        made += fmt::format(" {}:{}", static_cast<int>(of[at].kind), of[at].bytes);
    return made;
}

/// What readers of values make of bytes that a client of the database chose.
void read_values(const row &of, const relation &table) {
    for (int at = 0; at < static_cast<int>(of.size()); ++at) {
        const auto type = table.columns()[static_cast<std::size_t>(at)].type;
        const auto one = of[at];
        static_cast<void>(to_integer(one, type));
        static_cast<void>(to_boolean(one));
        static_cast<void>(to_unix_microseconds(one, type));
        if (const auto text = to_text(one, type))
            require(one.bytes.ends_with(*text), "a text lies within its value");
    }
}

/// What one reading of the messages brought.
struct reading {
    std::vector<std::string> changes; ///< one line each, and one for each end of a transaction
    std::optional<boost::system::error_code> failed;
};

/// Without what was handed on of a transaction that has not ended: how much that is depends on the size of
/// segments.
std::vector<std::string> ended(std::vector<std::string> changes) {
    while (!changes.empty() && !changes.back().starts_with("end "))
        changes.pop_back();
    return changes;
}

/// Reads the messages, and looks at each segment as it is handed on: commit order, the order of changes, no
/// change twice, no transaction within another.
class reader {
  public:
    explicit reader(assembler_options options)
        : assembler_(std::move(options), [this](const transaction_ptr &made) { take(*made); }) {}

    reading read(const records &messages, std::size_t lose_connection_at) {
        assembler_.begin_connection();
        for (std::size_t at = 0; at < messages.size() && !made_.failed; ++at) {
            if (at == lose_connection_at)
                break;
            step(messages[at]);
        }
        if (lose_connection_at != nowhere) {
            made_.failed.reset();
            assembler_.begin_connection();
            for (std::size_t at = 0; at < messages.size() && !made_.failed; ++at)
                step(messages[at]);
        }
        return std::move(made_);
    }

  private:
    void step(std::string_view message) {
        auto done = assembler_.consume(message);
        while (done && assembler_.replaying())
            done = assembler_.replay_step();
        if (!done) {
            require(done.error().category() == decode_category(),
                    "bytes are the only thing that can be wrong");
            made_.failed = done.error();
        }
        require(assembler_.decoded() >= decoded_, "what is decoded does not go back");
        decoded_ = assembler_.decoded();
    }

    void take(const transaction &segment) {
        require(segment.footprint() > 0, "a segment takes memory");
        if (last_)
            require(segment.commit() > last_->commit || (segment.commit() == last_->commit && !whole_),
                    "transactions come in commit order, each once");
        for (const auto &one : segment.changes()) {
            const auto at = segment.position_of(one);
            require(!last_ || at > *last_, "changes come in order, each once");
            last_ = at;
            auto line = fmt::format("{}.{} {}", at.commit.value, at.index, static_cast<int>(one.kind));
            if (one.kind == change_kind::message) {
                line += fmt::format(" {} {}", segment.message_prefix(one), segment.message_content(one));
            } else {
                require(one.table != nullptr, "a change of rows has a table");
                line += fmt::format(" {}{}|{}", one.table->name(), text_of(segment.new_row(one)),
                                    text_of(segment.old_row(one)));
                read_values(segment.new_row(one), *one.table);
                read_values(segment.old_row(one), *one.table);
            }
            made_.changes.push_back(std::move(line));
        }
        whole_ = segment.last();
        if (whole_) {
            last_ = position{segment.commit(), last_ && last_->commit == segment.commit() ? last_->index : 0};
            made_.changes.push_back(fmt::format("end {}", segment.end().value));
        }
    }

    reading made_;
    lsn decoded_;
    std::optional<position> last_;
    bool whole_ = true;
    transaction_assembler assembler_;
};

/// A server sends its transactions in commit order, and none of them ends at zero.
bool in_commit_order(const records &messages, pgoutput_options protocol) {
    pgoutput_decoder decoder(protocol);
    lsn before;
    const auto rises = [&before](lsn commit) { return commit > std::exchange(before, commit); };
    for (const auto message : messages) {
        const auto read = decoder.decode(message);
        if (!read)
            return true;
        if (const auto *begin = std::get_if<pgoutput::begin>(&*read); begin && !rises(begin->final))
            return false;
        if (const auto *commit = std::get_if<pgoutput::stream_commit>(&*read); commit && !rises(commit->at))
            return false;
    }
    return true;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    auto messages = fuzz::split_records(fuzz::as_text(data, size));
    if (messages.empty())
        return 0;
    const auto how = messages.front();
    messages.erase(messages.begin());
    const auto number = [how](std::size_t at) {
        return at < how.size() ? static_cast<unsigned char>(how[at]) : 0U;
    };

    assembler_options roomy;
    roomy.protocol = {.parallel_streaming = (number(0) & 1U) != 0, .two_phase = (number(0) & 2U) != 0};
    const auto plain = reader(roomy).read(messages, nowhere);

    // Segments and spill files change nothing but memory.
    auto cramped = roomy;
    cramped.segment_bytes = 1 + number(1);
    cramped.stream_memory_bytes = 1 + number(2);
    cramped.spill_directory = "/dev/shm";
    const auto small = reader(cramped).read(messages, nowhere);
    require(small.failed == plain.failed, "segments and spilling do not change what is wrong");
    if (!plain.failed)
        require(ended(small.changes) == ended(plain.changes),
                "segments and spilling do not change what is read");

    // A connection that is lost and begun again loses nothing and repeats nothing.
    if (!plain.failed && in_commit_order(messages, roomy.protocol)) {
        const auto lose_at = number(3) % (messages.size() + 1);
        const auto resumed = reader(cramped).read(messages, lose_at);
        require(!resumed.failed && ended(resumed.changes) == ended(plain.changes),
                "a reconnect loses nothing and repeats nothing");
    }
    return 0;
}
