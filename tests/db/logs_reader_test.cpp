#include "db/logs_reader.hpp"

#include "db/gap_reader.hpp"
#include "tests/db/site.hpp"
#include "tests/support/sanitized.hpp"

#include <algorithm>
#include <cstdint>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fstream>
#include <numeric>
#include <string>
#include <vector>

using namespace walcast;
using namespace walcast::testing;

namespace {

using numbers = std::vector<std::int64_t>;
constexpr int row_count = 60;
constexpr int row_bytes = 4'000'000;
constexpr std::size_t page_most = std::size_t{20} << 20; ///< 8 MiB, and some 4 MB row that goes beyond

/// Rows 1 to 60 with 4 MB each, which are much smaller on the disk.
struct large_rows : site {
    large_rows() {
        sql(fmt::format(
            "insert into logs (id, uuid, properties, created_at, updated_at) select n, 'zzzzz-57u5n-'"
            " || lpad(n::text, 15, '0'), repeat('x', {}), now(), now() from generate_series(1, {}) n",
            row_bytes, row_count));
    }
};

/// The greatest resident size since reset(), in bytes; 0 with AddressSanitizer, which keeps what was freed.
struct peak_memory {
    static void reset() { std::ofstream("/proc/self/clear_refs") << "5"; }
    static std::size_t read() {
        if (sanitized)
            return 0;
        std::ifstream status("/proc/self/status");
        for (std::string word; status >> word;)
            if (word == "VmHWM:" && status >> word)
                return std::stoull(word) * 1024;
        return 0;
    }
};

std::int64_t id_of(const transaction_ptr &row) {
    const auto text = row->new_row(row->changes()[0])[0].bytes;
    return std::stoll(std::string(text));
}

/// Reads pages until there are no more, and drops each. `next` gets the last page; returns all ids.
template <class Next>
numbers drain(Next &&next) {
    peak_memory::reset();
    const auto before = peak_memory::read();
    numbers ids;
    log_page page;
    do {
        page = next(page);
        REQUIRE_FALSE(page.rows.empty());
        std::size_t bytes = 0;
        for (const auto &row : page.rows) {
            ids.push_back(id_of(row));
            bytes += row->footprint();
        }
        CHECK(bytes < page_most);
    } while (page.more);
    CHECK(peak_memory::read() - before < 4 * page_most);
    return ids;
}

numbers all_rows() {
    numbers ids(row_count);
    std::iota(ids.begin(), ids.end(), 1);
    return ids;
}

} // namespace

TEST_CASE_FIXTURE(large_rows, "rows read by id come a page at a time, in the order asked for") {
    auto wanted = all_rows();
    std::reverse(wanted.begin(), wanted.end());
    auto rest = wanted;
    rest.insert(rest.begin(), 1000); // was deleted
    const auto got = drain([&](const log_page &last) {
        if (!last.rows.empty())
            rest.erase(rest.begin(), std::next(std::find(rest.begin(), rest.end(), last.last)));
        return read_logs(superuser, rest);
    });
    CHECK(got == wanted);
}

TEST_CASE_FIXTURE(large_rows, "a scan of large rows comes a page at a time") {
    CHECK(drain([&](const log_page &last) { return scan_logs(superuser, last.last, 0, 500); }) == all_rows());
}

TEST_CASE_FIXTURE(large_rows, "so do rows that a gap left out") {
    coverage before;
    const coverage now{.events = true, .table = 1, .greatest = row_count};
    CHECK(drain([&](const log_page &last) { return read_gap(superuser, before, now, last.last, 500); }) ==
          all_rows());
}

TEST_CASE_FIXTURE(site, "the limit of a scan is one of rows") {
    sql("insert into logs (id, uuid, properties, created_at, updated_at) select n, 'zzzzz-57u5n-' || "
        "lpad(n::text, 15, '0'),"
        " case when n % 2 = 0 then '{}' end, now(), now() from generate_series(1, 25) n");
    const auto first = scan_logs(superuser, 0, 0, 10);
    CHECK((first.rows.size() == 10 && first.more && first.last == 10));
    const auto third = scan_logs(superuser, 20, 0, 10);
    CHECK((third.rows.size() == 5 && !third.more && third.last == 25 && third.exists));
    const auto none = read_logs(superuser, {30, 40});
    CHECK((none.rows.empty() && !none.more));
}
