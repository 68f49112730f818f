// The measuring instruments measure right: what the benchmarks' figures rest on.

#include "tests/bench/histogram.hpp"
#include "tests/bench/log_rows.hpp"
#include "tests/bench/report.hpp"
#include "tests/bench/slots.hpp"
#include "tests/bench/ws_frame.hpp"

#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

using namespace walcast::bench;

TEST_CASE("a percentile is at most 1/64 above the true one") {
    std::mt19937_64 random{7};
    std::lognormal_distribution<double> delays{12, 3};
    std::vector<std::uint64_t> values;
    histogram counted;
    for (int i = 0; i < 50'000; ++i) {
        values.push_back(static_cast<std::uint64_t>(delays(random)));
        counted.record(values.back());
    }
    std::sort(values.begin(), values.end());
    for (const double percent : {1.0, 50.0, 90.0, 99.0, 99.9, 100.0}) {
        const auto rank =
            static_cast<std::size_t>(std::ceil(static_cast<double>(values.size()) * percent / 100));
        const std::uint64_t exact = values[rank - 1];
        CAPTURE(percent);
        CHECK(counted.percentile(percent) >= exact);
        CHECK(counted.percentile(percent) <= exact + exact / 64 + 1);
    }
    CHECK(counted.max() == values.back());
}

TEST_CASE("a histogram takes every value") {
    histogram counted;
    CHECK(counted.percentile(50) == 0);
    counted.record(0);
    counted.record(~std::uint64_t{0});
    CHECK(counted.percentile(50) == 0);
    CHECK(counted.percentile(100) == ~std::uint64_t{0});
}

TEST_CASE("a frame is parsed once all of it is there, whatever its length") {
    for (const std::size_t length : {0u, 1u, 125u, 126u, 65'535u, 65'536u}) {
        std::string bytes{"\x81"};
        if (length < 126) {
            bytes += static_cast<char>(length);
        } else if (length <= 0xffff) {
            bytes += {126, static_cast<char>(length >> 8), static_cast<char>(length & 0xff)};
        } else {
            bytes += {127,
                      0,
                      0,
                      0,
                      0,
                      0,
                      static_cast<char>(length >> 16),
                      static_cast<char>(length >> 8 & 0xff),
                      static_cast<char>(length & 0xff)};
        }
        const std::size_t header = bytes.size();
        bytes.append(length, 'x');
        CAPTURE(length);
        frame_view frame;
        for (std::size_t part = 0; part < bytes.size(); part += part < header ? 1 : length / 3 + 1)
            REQUIRE(parse_server_frame(bytes.substr(0, part), 100'000, frame) == frame_status::incomplete);
        const std::string and_more = bytes + "\x81";
        REQUIRE(parse_server_frame(and_more, 100'000, frame) == frame_status::complete);
        CHECK(frame.size == bytes.size());
        CHECK(frame.payload == std::string(length, 'x'));
    }
}

TEST_CASE("what no server may send is not a frame") {
    frame_view frame;
    CHECK(parse_server_frame("\xc1\x01x", 10, frame) == frame_status::invalid);     // compressed
    CHECK(parse_server_frame("\x83\x01x", 10, frame) == frame_status::invalid);     // no such type
    CHECK(parse_server_frame("\x81\x81xxxxx", 10, frame) == frame_status::invalid); // masked
    CHECK(parse_server_frame("\x81\x0b", 10, frame) == frame_status::invalid);      // larger than allowed
}

TEST_CASE("a client's frame is the example of RFC 6455") {
    std::string made;
    append_client_frame(made, opcode::text, "Hello", 0x37fa213d);
    CHECK(made == "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
}

TEST_CASE("an event's marks are found, and nothing in other frames") {
    const auto marks =
        read_marks(R"({"msgID":3,"id":42,"uuid":"zzzzz-57u5n-1","properties":{"text":"00000000000000ff"}})");
    REQUIRE(marks);
    CHECK(marks->message == 3);
    CHECK(marks->log == 42);
    CHECK(marks->sent_ns == 255);
    CHECK(!read_marks(R"({"status":200})"));
}

TEST_CASE("the plugin options are read from the command as it stands in pg_stat_activity") {
    const auto options = parse_plugin_options("START_REPLICATION SLOT \"a\" LOGICAL 0/0 (proto_version '2',"
                                              " \"publication_names\" '\"it''s\"', messages 'true')");
    REQUIRE(options.size() == 3);
    CHECK(options[0] == std::pair<std::string, std::string>{"proto_version", "2"});
    CHECK(options[1] == std::pair<std::string, std::string>{"publication_names", "\"it''s\""});
    CHECK(options[2] == std::pair<std::string, std::string>{"messages", "true"});
    CHECK(parse_plugin_options("select 1").empty());
}

TEST_CASE("the median") {
    CHECK(median({}) == 0);
    CHECK(median({3, 1, 2}) == 2);
    CHECK(median({4, 1, 3, 2}) == 2.5);
}
