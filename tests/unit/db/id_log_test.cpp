#include "db/id_log.hpp"

#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <unistd.h>

using namespace walcast;

namespace {

struct scratch {
    scratch()
        : directory(std::filesystem::temp_directory_path() /
                    ("walcast-id-log-" + std::to_string(::getpid()))) {
        std::filesystem::create_directories(directory);
    }
    ~scratch() { std::filesystem::remove_all(directory); }
    std::filesystem::path directory;
    std::string file = (directory / "sent.ids").string();
};

using ids = std::vector<std::int64_t>;

ids reopen(const std::string &file, const std::string &identity = "7/arvados", std::size_t most = 100) {
    return id_log(file).open(identity, most).value_or(ids{});
}

} // namespace

TEST_CASE("ids come back in the order that they were appended in") {
    scratch place;
    {
        id_log log(place.file);
        CHECK_FALSE(log.open("7/arvados", 100));
        log.append(ids{5, 3});
        log.append(ids{4});
    }
    CHECK(reopen(place.file) == ids{5, 3, 4});
    CHECK(reopen(place.file) == ids{5, 3, 4});
    CHECK(reopen(place.file, "7/arvados", 2) == ids{3, 4});
    CHECK(reopen(place.file) == ids{3, 4});
}

TEST_CASE("another database begins anew") {
    scratch place;
    {
        id_log log(place.file);
        (void)log.open("7/arvados", 100);
        log.append(ids{1});
    }
    CHECK(reopen(place.file, "8/arvados").empty());
    CHECK(reopen(place.file).empty());
}

TEST_CASE("an append that was cut short is left out") {
    scratch place;
    {
        id_log log(place.file);
        (void)log.open("7/arvados", 100);
        log.append(ids{1, 2});
    }
    std::filesystem::resize_file(place.file, std::filesystem::file_size(place.file) - 3);
    CHECK(reopen(place.file) == ids{1});
}

TEST_CASE("without a path nothing is remembered, and a bad path says so") {
    id_log none("");
    CHECK_FALSE(none.open("7/arvados", 100));
    none.append(ids{1});
    id_log bad("/nonexistent/sent.ids");
    CHECK_THROWS_AS((void)bad.open("7/arvados", 100), std::system_error);
    bad.append(ids{1});
}

TEST_CASE("a file that has grown is begun anew with its newest ids") {
    scratch place;
    id_log log(place.file);
    (void)log.open("7/arvados", 10);
    for (std::int64_t id = 1; id <= 1000; ++id)
        log.append(ids{id});
    CHECK(std::filesystem::file_size(place.file) < 60 * sizeof(std::int64_t));
    CHECK(reopen(place.file, "7/arvados", 3) == ids{998, 999, 1000});
}

TEST_CASE("a known database without ids is not an unknown one") {
    scratch place;
    (void)id_log(place.file).open("7/arvados", 10);
    const auto known = id_log(place.file).open("7/arvados", 10);
    REQUIRE(known);
    CHECK(known->empty());
}
