#include "db/transaction_assembler.hpp"
#include "tests/support/pgoutput_builder.hpp"

#include <boost/endian/conversion.hpp>
#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

/// What decoding costs: nanoseconds for a transaction of one row, and for a row of a large transaction,
/// committed and streamed (in memory and by way of the disk). Rows look like those of Arvados' `logs`: 12
/// columns, 300 bytes.
namespace {
using namespace walcast;
using namespace walcast::pgout;

const std::vector<col> columns{{"id", true, 20}, {"uuid"},       {"owner_uuid"}, {"modified_at"},
                               {"object_uuid"},  {"event_at"},   {"event_type"}, {"summary"},
                               {"properties"},   {"created_at"}, {"updated_at"}, {"object_owner_uuid"}};

std::string one_row(in of) {
    return insert(of, 1,
                  {binary(i64(123456789)), "zzzzz-57u5n-0123456789abcde", "zzzzz-tpzed-000000000000000",
                   binary(i64(1)), "zzzzz-4zz18-0123456789abcde", binary(i64(2)), "update", null,
                   "{\"old_attributes\": {\"name\": \"a\"}, \"new_attributes\": {\"name\": \"b\"}}",
                   binary(i64(3)), binary(i64(4)), "zzzzz-j7d0g-0123456789abcde"});
}

/// Processor time of this thread, so that a busy machine tells the truth.
double now_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

/// The best of five rounds, in nanoseconds for each of `count`.
template <class Round>
double measure(std::size_t count, Round &&round) {
    double best = 1e18;
    for (int at = 0; at < 5; ++at) {
        const auto begun = now_ns();
        round();
        best = std::min(best, (now_ns() - begun) / static_cast<double>(count));
    }
    return best;
}

void report(const char *name, double nanoseconds) {
    fmt::print("{{\"bench\":\"decode\",\"case\":\"{}\",\"ns\":{:.0f}}}\n", name, nanoseconds);
}

class subject {
  public:
    explicit subject(std::size_t stream_memory = std::size_t{1} << 30U)
        : assembler_({.stream_memory_bytes = stream_memory},
                     [this](const transaction_ptr &made) { changes_ += made->changes().size(); }) {
        send(describe({}, 1, "logs", columns));
    }

    void send(const std::string &message) {
        auto done = assembler_.consume(message);
        while (done && assembler_.replaying())
            done = assembler_.replay_step();
        if (!done) {
            fmt::print(stderr, "{}\n", done.error().message());
            std::exit(1);
        }
    }

    void expect(std::size_t changes) const {
        if (changes_ != changes) {
            fmt::print(stderr, "{} changes came out, not {}\n", changes_, changes);
            std::exit(1);
        }
    }

    std::uint64_t next_commit() { return commit_ += 100; }

  private:
    std::size_t changes_ = 0;
    std::uint64_t commit_ = 0;
    transaction_assembler assembler_;
};

void single_rows(std::size_t count) {
    subject with;
    const auto row = one_row({});
    // Made once and given a new place each time, or making the messages would be most of what is measured.
    auto front = begin(7, 1);
    auto back = commit(1, 1);
    const auto put = [](std::string &into, std::size_t at, std::uint64_t place) {
        boost::endian::store_big_u64(reinterpret_cast<unsigned char *>(into.data() + at), place);
    };
    const auto ns = measure(count, [&] {
        for (std::size_t at = 0; at < count; ++at) {
            const auto place = with.next_commit();
            put(front, 1, place);
            put(back, 2, place);
            put(back, 10, place + 50);
            with.send(front);
            with.send(row);
            with.send(back);
        }
    });
    with.expect(5 * count);
    report("single_row_transaction", ns);
}

void large_transaction(std::size_t rows) {
    subject with;
    const auto row = one_row({});
    const auto ns = measure(rows, [&] {
        const auto place = with.next_commit();
        with.send(begin(7, place));
        for (std::size_t at = 0; at < rows; ++at)
            with.send(row);
        with.send(commit(place, place + 50));
    });
    with.expect(5 * rows);
    report("row_of_large_transaction", ns);
}

void streamed_transaction(const char *name, std::size_t rows, std::size_t memory) {
    subject with(memory);
    const auto row = one_row({7});
    const auto ns = measure(rows, [&] {
        with.send(stream_start(7, true));
        with.send(describe({7}, 1, "logs", columns));
        for (std::size_t at = 0; at < rows; ++at)
            with.send(row);
        with.send(stream_stop());
        const auto place = with.next_commit();
        with.send(stream_commit(7, place, place + 50));
    });
    with.expect(5 * rows);
    report(name, ns);
}
} // namespace

int main() {
    single_rows(200'000);
    large_transaction(300'000);
    streamed_transaction("row_of_streamed_transaction", 300'000, std::size_t{1} << 30U);
    streamed_transaction("row_of_spilled_transaction", 300'000, std::size_t{8} << 20U);
}
