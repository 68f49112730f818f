#include "server/watch/subscribe_frame.hpp"

#include "server/protocol/v0_request.hpp"
#include "server/watch/watch_error.hpp"
#include "tests/unit/protocol/support.hpp"

#include <doctest/doctest.h>

using namespace walcast;

namespace {

/// 2026-01-02 12:00:00 UTC.
constexpr std::int64_t noon = 1'767'355'200'000'000;

/// The frame, after the server's own parser has taken it for a subscribe.
std::string frame_of(const watch_options &options, std::optional<std::int64_t> received = {}) {
    const auto text = subscribe_frame(options, noon).text(received);
    CHECK_MESSAGE(std::holds_alternative<v0_subscribe>(parse_v0_request(text)), text);
    return text;
}

} // namespace

TEST_CASE("without options everything is wanted, from now on") {
    CHECK(frame_of({}) == R"({"method":"subscribe","filters":[]})");
}

TEST_CASE("each option is a condition, and all of them must hold") {
    watch_options options;
    options.event_types = {"create", "up\"date"};
    options.objects = {"zzzzz-4zz18-000000000000001"};
    options.owner = "zzzzz-tpzed-000000000000000";
    options.kinds = {"container_request", "Collection", "arvados#group", "virtualMachine"};
    options.since = "2026-01-02 03:04:05";
    options.filters = " [ [\"event_type\",\"!=\",\"delete\"] ]\n";
    CHECK(test::json_equal(frame_of(options),
                           R"({"method":"subscribe","filters":[["event_type","in",["create","up\"date"]],
            ["object_uuid","in",["zzzzz-4zz18-000000000000001"]],
            ["object_owner_uuid","=","zzzzz-tpzed-000000000000000"],
            ["object_uuid","is_a",["arvados#containerRequest","arvados#collection","arvados#group",
                "arvados#virtualMachine"]],
            ["created_at",">=","2026-01-02 03:04:05"],["event_type","!=","delete"]],"last_log_id":1})"));
}

TEST_CASE("where to begin: what was received counts more than what was asked for") {
    watch_options options;
    options.last_log_id = 41;
    CHECK(frame_of(options) == R"({"method":"subscribe","filters":[],"last_log_id":41})");
    CHECK(frame_of(options, 43) == R"({"method":"subscribe","filters":[],"last_log_id":43})");
    CHECK(frame_of({}, 7) == R"({"method":"subscribe","filters":[],"last_log_id":7})");
    options.since = "10m";
    CHECK(frame_of(options).ends_with(R"("2026-01-02T11:50:00Z"]],"last_log_id":41})"));
}

TEST_CASE("raw filters may be empty") {
    watch_options options;
    for (const auto *filters : {"", "[]", " [ ] "}) {
        options.filters = filters;
        options.event_types = {"create"};
        CHECK(frame_of(options) == R"({"method":"subscribe","filters":[["event_type","in",["create"]]]})");
    }
}

TEST_CASE("a condition that the server would ignore is an error here") {
    const auto refused = [](auto member, auto value) {
        watch_options options;
        options.*member = value;
        CHECK_THROWS_AS(subscribe_frame(options, noon), watch_error);
    };
    refused(&watch_options::kinds, std::vector<std::string>{"pipeline"});
    refused(&watch_options::kinds, std::vector<std::string>{""});
    for (const auto *time : {"yesterday", "10", "m", "-5m", "10w", "2026", "99999999999h"})
        refused(&watch_options::since, time);
    for (const auto *filters :
         {"x", "null", "{}", "[1]", "[[]", "[[]]]", "[[\"event_type\",\"=\",\"x\"]],\"method\":1"})
        refused(&watch_options::filters, filters);
}

TEST_CASE("--since") {
    CHECK(parse_since("90s", noon) == "2026-01-02T11:58:30Z");
    CHECK(parse_since("2h", noon) == "2026-01-02T10:00:00Z");
    CHECK(parse_since("7d", noon) == "2025-12-26T12:00:00Z");
    CHECK(parse_since("2026-01-02", noon) == "2026-01-02");
    CHECK(parse_since("2026-01-02T03:04:05+01:00", noon) == "2026-01-02T03:04:05+01:00");
    CHECK_FALSE(parse_since("", noon));
    CHECK_FALSE(parse_since("1000000000d", noon));
}
