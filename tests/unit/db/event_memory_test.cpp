#include "db/event_memory.hpp"
#include "db/logs_row.hpp"

#include <doctest/doctest.h>
#include <filesystem>
#include <numeric>
#include <unistd.h>

using namespace walcast;

namespace {

using ids = std::vector<std::int64_t>;

struct scratch {
    ~scratch() { std::filesystem::remove(file); }
    std::string file =
        (std::filesystem::temp_directory_path() / ("walcast-event-memory-" + std::to_string(::getpid())))
            .string();
    logger log;
};

} // namespace

TEST_CASE("what was handed over is known to the next process, in order") {
    scratch place;
    {
        event_memory memory(place.file, place.log);
        CHECK(memory.open("7/arvados").empty());
        CHECK_FALSE(memory.begun());
        memory.note(ids{5, 3});
        memory.begin();
        memory.note(ids{5, 4});
        memory.note_past(ids{1, 2});
        CHECK(memory.contains(2));
        CHECK_FALSE(memory.contains(6));
    }
    event_memory next(place.file, place.log);
    CHECK(next.open("7/arvados") == ids{5, 3, 4});
    CHECK(next.begun());
    CHECK(next.contains(3));
    CHECK_FALSE(next.contains(2));         // of that process only
    CHECK(next.open("7/arvados").empty()); // told once

    CHECK(next.open("8/arvados").empty());
    CHECK_FALSE(next.begun());
    CHECK_FALSE(next.contains(3));
}

TEST_CASE("ids are looked for from the greatest that was handed over, however many have come since") {
    scratch place;
    event_memory memory("", place.log);
    (void)memory.open("7/arvados");
    CHECK(memory.floor(1'000'000) == 1'000'000 - event_memory::reach);
    memory.note(ids{500'000});
    memory.begin();
    CHECK(memory.floor(1'000'000) == 500'000 - event_memory::reach);
    CHECK(memory.floor(400'000) == 400'000 - event_memory::reach); // the newest rows were deleted
    memory.note_past(ids{600'000});
    CHECK(memory.floor(1'000'000) == 600'000 - event_memory::reach);
}

TEST_CASE("the rows of logs in a transaction are noted, and nothing else of it") {
    scratch place;
    event_memory memory("", place.log);
    (void)memory.open("7/arvados");
    memory.begin();
    const auto other = std::make_shared<relation>(1, "public", "links", 'd',
                                                  std::vector<column>{{"id", pg_type::int8, -1, true}});
    transaction_builder builder;
    builder.begin(0, lsn{10}, 0);
    builder.add(change_kind::insert, other);
    builder.add_new(value_kind::text, "1");
    builder.add(change_kind::insert, logs_relation());
    builder.add_new(value_kind::binary, std::string_view("\0\0\0\0\0\0\0\2", 8));
    builder.add(change_kind::remove, logs_relation());
    builder.add_old(value_kind::text, "3");
    builder.add_message("walcast", "{}");
    memory.note(std::vector{builder.finish(lsn{11})});
    CHECK_FALSE(memory.contains(1));
    CHECK(memory.contains(2));
    CHECK_FALSE(memory.contains(3));
}
