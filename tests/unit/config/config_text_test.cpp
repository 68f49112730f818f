#include "server/config_text.hpp"

#include <doctest/doctest.h>

using namespace walcast;
using namespace std::chrono_literals;

TEST_CASE("times as Go writes them") {
    CHECK(parse_duration("60s") == 60s);
    CHECK(parse_duration("1m30s") == 90s);
    CHECK(parse_duration("1h") == 1h);
    CHECK(parse_duration("500ms") == 500ms);
    CHECK(parse_duration("1.5h") == 90min);
    CHECK(parse_duration("0.5s") == 500ms);
    CHECK(parse_duration("1500us") == 2ms);
    CHECK(parse_duration("2000\u00b5s") == 2ms);
    CHECK(parse_duration("3000000ns") == 3ms);
    CHECK(parse_duration("0") == 0ms);
    CHECK(parse_duration("0s") == 0ms);
    for (const auto *bad : {"", "60", "s", "1", "-1s", "+1s", "1 s", "1s ", "1d", "1.2.3s", "1e3s", "infs",
                            "nans", "1s2", "99999999999999h", "0x1s", "."})
        CHECK_FALSE_MESSAGE(parse_duration(bad).has_value(), std::string(bad));
}

TEST_CASE("sizes as Arvados writes them") {
    CHECK(parse_byte_size("0") == 0);
    CHECK(parse_byte_size("4096") == 4096);
    CHECK(parse_byte_size("4096B") == 4096);
    CHECK(parse_byte_size("1K") == 1000);
    CHECK(parse_byte_size("1KB") == 1000);
    CHECK(parse_byte_size("1M") == 1'000'000);
    CHECK(parse_byte_size("64 KiB") == 65536);
    CHECK(parse_byte_size("128MiB") == std::size_t{128} << 20);
    CHECK(parse_byte_size("2Gi") == std::size_t{2} << 30);
    CHECK(parse_byte_size("15EiB") == std::size_t{15} << 60);
    for (const auto *bad : {"", "MiB", "1X", "-1", "1.5M", "1MiBB", "1Mi B", "1iB", "16EiB",
                            "99999999999999999999", " 1", "1kib"})
        CHECK_FALSE_MESSAGE(parse_byte_size(bad).has_value(), std::string(bad));
}

TEST_CASE("what is written is read as the same") {
    for (const auto size : {std::size_t{0}, std::size_t{1}, std::size_t{1000}, std::size_t{1024},
                            std::size_t{1536}, std::size_t{256} << 10, std::size_t{1} << 60})
        CHECK(parse_byte_size(to_byte_size_text(size)) == size);
    for (const auto time : {0ms, 1ms, 999ms, 1000ms, 61'001ms, 3'600'000ms, 5'400'000ms, 31'536'000'000ms})
        CHECK(parse_duration(to_duration_text(time)) == time);
    CHECK(to_byte_size_text(std::size_t{128} << 20) == "128MiB");
    CHECK(to_byte_size_text(1536) == "1536");
    CHECK(to_duration_text(15min) == "15m");
    CHECK(to_duration_text(90'500ms) == "1m30s500ms");
}

TEST_CASE("the name that was meant") {
    CHECK(closest_name("Slott", {"Slot", "Source", "Shards"}) == "Slot");
    CHECK(closest_name("slot", {"Slot", "Source", "Shards"}) == "Slot");
    CHECK(closest_name("FeedByte", {"FeedAge", "FeedBytes"}) == "FeedBytes");
    CHECK(closest_name("MaxConections", {"MaxConnections", "MaxSubscriptions"}) == "MaxConnections");
    CHECK(closest_name("Colour", {"Slot", "Source", "Shards"}).empty());
    CHECK(closest_name("", {"Slot"}).empty());
}
