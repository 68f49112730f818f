#include "server/protocol/v0_encode.hpp"

#include "tests/unit/protocol/support.hpp"

#include <doctest/doctest.h>
#include <limits>

using namespace walcast;
using namespace walcast::test;

namespace {

const event example{.id = log_id{4711},
                    .uuid = "zzzzz-57u5n-000000000000001",
                    .object_uuid = "zzzzz-4zz18-bv31uwvy3neko21",
                    .object_owner_uuid = "zzzzz-j7d0g-v955i6s2oi1cbso",
                    .event_type = "update",
                    .event_at = 1'767'323'045'678'901,
                    .properties = R"({"new_attributes":{"name":"b"}})"};

std::string frame(const event &what, std::uint64_t msg_id = 1, std::size_t max_bytes = 1 << 20) {
    std::string body;
    REQUIRE(encode_v0_event(what, max_bytes, body) <= v0_outcome::truncated);
    char prefix[v0_prefix_max];
    return std::string(prefix, write_msg_id_prefix(prefix, msg_id)) + body;
}

std::string time_of(std::int64_t event_at) {
    auto what = example;
    what.event_at = event_at;
    rapidjson::Document read;
    REQUIRE(valid_json(frame(what), read));
    return read["event_at"].GetString();
}

} // namespace

TEST_CASE("a frame is the session's prefix and the shared body") {
    CHECK(frame(example, 7) ==
          R"({"msgID":7,"event_at":"2026-01-02T03:04:05.678901Z","event_type":"update","id":4711,)"
          R"("object_kind":"arvados#collection","object_owner_uuid":"zzzzz-j7d0g-v955i6s2oi1cbso",)"
          R"("object_uuid":"zzzzz-4zz18-bv31uwvy3neko21","properties":{"new_attributes":{"name":"b"}},)"
          R"("uuid":"zzzzz-57u5n-000000000000001"})");
    char prefix[v0_prefix_max];
    CHECK(write_msg_id_prefix(prefix, std::numeric_limits<std::uint64_t>::max()) == v0_prefix_max);
    CHECK(std::string_view(prefix, v0_prefix_max) == R"({"msgID":18446744073709551615,)");
}

TEST_CASE("the body is appended, so that a buffer can be used again") {
    std::string into = "kept";
    REQUIRE(encode_v0_event(example, 1 << 20, into) == v0_outcome::complete);
    CHECK(into.starts_with("kept\"event_at\""));
    into = "kept";
    auto bad = example;
    bad.properties = "[]";
    CHECK(encode_v0_event(bad, 1 << 20, into) == v0_outcome::unreadable);
    CHECK(encode_v0_event(example, 500, into) == v0_outcome::too_large);
    CHECK(into == "kept");
}

TEST_CASE("times have as many digits as they need") {
    CHECK(time_of(0) == "1970-01-01T00:00:00Z");
    CHECK(time_of(1'767'323'045'100'000) == "2026-01-02T03:04:05.1Z");
    CHECK(time_of(1'767'323'045'000'001) == "2026-01-02T03:04:05.000001Z");
    CHECK(time_of(-1) == "1969-12-31T23:59:59.999999Z");
    CHECK(time_of(-62'167'219'200'000'000) == "0000-01-01T00:00:00Z");
    CHECK(time_of(253'402'300'799'999'999) == "9999-12-31T23:59:59.999999Z");
}

TEST_CASE("whatever is in the row, the frame is valid JSON in valid UTF-8") {
    auto what = example;
    what.event_type = "\xff\x01\"\\\u00e9";
    what.object_uuid = std::string_view("\0x", 2);
    what.object_owner_uuid = "\xed\xa0\x80";
    what.uuid = "\xc3";
    what.properties = "{\"text\":\"\xff\"}";
    rapidjson::Document read;
    REQUIRE(valid_json(frame(what), read));
    CHECK(read["event_type"] == "\ufffd\x01\"\\\u00e9");
    CHECK(read["object_kind"] == "");
    CHECK(read["properties"]["text"] == "\ufffd");
}

TEST_CASE("a frame never exceeds what clients accept") {
    auto what = example;
    const auto large = R"({"text":")" + repeat("line\\n", 500'000) + "\"}";
    what.properties = large;
    for (const std::size_t max : {std::size_t{16} << 10, std::size_t{1} << 20}) {
        const auto sent = frame(what, std::numeric_limits<std::uint64_t>::max(), max);
        CHECK(sent.size() <= max);
        CHECK(sent.size() > max - 10);
        rapidjson::Document read;
        REQUIRE(valid_json(sent, read));
        CHECK(read["properties"]["truncated"].GetBool());
    }
    const std::string control(1020, '\1');
    what.uuid = what.object_uuid = what.object_owner_uuid = what.event_type = control;
    std::string body;
    CHECK(encode_v0_event(what, std::size_t{16} << 10, body) == v0_outcome::too_large);
    CHECK(body.empty());
}
