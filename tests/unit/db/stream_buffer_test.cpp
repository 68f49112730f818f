#include "db/stream_buffer.hpp"
#include "tests/support/file_size_limit.hpp"

#include <doctest/doctest.h>

#include <unistd.h>

#include <cerrno>
#include <filesystem>

using namespace walcast;

namespace {
const std::string directory = std::filesystem::temp_directory_path();

std::string message(std::uint64_t number, std::size_t size) {
    auto made = std::to_string(number) + ' ';
    made.resize(std::max(made.size(), size), static_cast<char>('a' + number % 26));
    return made;
}

/// Sizes from nothing much to more than a chunk.
std::size_t size_of(std::uint64_t number) {
    return number % 17 == 0 ? 300'000 : number * 37 % 2000;
}

void write(stream_buffer &into, std::uint64_t from, std::uint64_t to) {
    for (auto number = from; number < to; ++number)
        into.append(number, message(number, size_of(number)));
}

void check_read(stream_buffer &from, std::uint64_t count) {
    from.start_reading();
    for (std::uint64_t number = 0; number < count; ++number) {
        const auto read = from.next();
        REQUIRE(read.has_value());
        REQUIRE(read->has_value());
        CHECK((*read)->receipt == number);
        REQUIRE((*read)->message == message(number, size_of(number)));
    }
    const auto end = from.next();
    REQUIRE(end.has_value());
    CHECK_FALSE(end->has_value());
}
} // namespace

TEST_CASE("messages come back in order, from memory and from disk") {
    stream_buffer memory_only;
    write(memory_only, 0, 100);
    CHECK(memory_only.memory() > 5 * 300'000);
    CHECK(memory_only.spilled() == 0);
    check_read(memory_only, 100);

    stream_buffer all_on_disk;
    write(all_on_disk, 0, 100);
    REQUIRE(all_on_disk.spill(directory).has_value());
    CHECK(all_on_disk.memory() == 0);
    CHECK(all_on_disk.spilled() > 5 * 300'000);
    check_read(all_on_disk, 100);

    stream_buffer mixed;
    write(mixed, 0, 40);
    REQUIRE(mixed.spill(directory).has_value());
    write(mixed, 40, 60);
    REQUIRE(mixed.spill(directory).has_value());
    write(mixed, 60, 100);
    check_read(mixed, 100);

    stream_buffer nothing;
    check_read(nothing, 0);
}

TEST_CASE("a spill file has no name and is closed with its owner") {
    const auto directory_of_its_own = directory + "/walcast-unit-" + std::to_string(::getpid());
    std::filesystem::create_directory(directory_of_its_own);
    {
        stream_buffer buffer;
        write(buffer, 0, 10);
        REQUIRE(buffer.spill(directory_of_its_own).has_value());
        CHECK(std::filesystem::is_empty(directory_of_its_own));
    }
    CHECK(std::filesystem::remove(directory_of_its_own));
    stream_buffer buffer;
    write(buffer, 0, 10);
    CHECK(buffer.spill(directory_of_its_own).error().value() == ENOENT);
    check_read(buffer, 10);
}

TEST_CASE("a disk that takes nothing more loses nothing, and it can be tried again") {
    stream_buffer buffer;
    write(buffer, 0, 100);
    {
        const file_size_limit limit(1'000'000);
        const auto refused = buffer.spill(directory);
        REQUIRE_FALSE(refused.has_value());
        CHECK(refused.error().value() == EFBIG);
        CHECK(buffer.spilled() <= 1'000'000);
        CHECK_FALSE(buffer.spill(directory).has_value());
    }
    write(buffer, 100, 120);
    CHECK(buffer.spill(directory).has_value());
    CHECK(buffer.memory() == 0);
    check_read(buffer, 120);
}

TEST_CASE("aborted subtransactions are known while reading") {
    stream_buffer buffer;
    CHECK_FALSE(buffer.aborted(1));
    for (const auto xid : {9U, 3U, 7U})
        buffer.abort(xid);
    buffer.start_reading();
    CHECK(buffer.aborted(3));
    CHECK(buffer.aborted(7));
    CHECK(buffer.aborted(9));
    CHECK_FALSE(buffer.aborted(8));
}
