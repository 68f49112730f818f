#include "server/protocol/query.hpp"
#include "server/protocol/server_sent_event.hpp"
#include "server/protocol/stream_place.hpp"
#include "server/protocol/v1_encode.hpp"
#include "server/protocol/v1_outline.hpp"
#include "server/protocol/v1_query.hpp"
#include "server/protocol/v1_request.hpp"

#include <doctest/doctest.h>
#include <string>

using namespace walcast;
using namespace std::string_literals;

namespace {

v1_stream_query stream(const std::string &query) {
    auto read = parse_stream_query("/arvados/v1/events/stream?" + query);
    const auto *problem = std::get_if<v1_query_problem>(&read);
    REQUIRE_MESSAGE(problem == nullptr, problem->why);
    return std::get<v1_stream_query>(read);
}

v1_error refused(const std::string &query) {
    const auto read = parse_stream_query("/arvados/v1/events/stream?" + query);
    const auto *problem = std::get_if<v1_query_problem>(&read);
    REQUIRE_MESSAGE(problem != nullptr, query);
    CHECK_FALSE(problem->why.empty());
    return problem->code;
}

v1_subscribe as_request(const std::string &message) {
    auto read = parse_v1_request(message);
    REQUIRE_MESSAGE(std::holds_alternative<v1_subscribe>(read), message);
    return std::get<v1_subscribe>(read);
}

} // namespace

TEST_CASE("a stream's query says what a client on a WebSocket would") {
    const auto query = stream("topic=record/zzzzz-4zz18-000000000000000&select=%5B%22uuid%22%5D&api_token=x&"
                              "topic=events&filters=[[%22event_type%22,%22=%22,%22a%2Bb%22]]&snapshot=false&"
                              "latest=1&after=AAA&x=y");
    REQUIRE(query.topics.size() == 2);
    const auto one = as_request(query.subscribe(0, "token"));
    CHECK(one.id == "record/zzzzz-4zz18-000000000000000");
    CHECK(one.topic == one.id);
    CHECK(one.select == std::vector<std::string>{"uuid"});
    CHECK(one.after == "token");
    CHECK_FALSE(one.snapshot);
    CHECK(one.latest);
    const auto two = as_request(query.subscribe(1, {}));
    CHECK(two.topic == "events");
    CHECK(two.filters == R"([["event_type","=","a+b"]])");
    CHECK_FALSE(two.after);
    CHECK(query.after == "AAA");
}

TEST_CASE("columns may be written with commas") {
    CHECK(as_request(stream("topic=events&select=uuid,name").subscribe(0, {})).select ==
          std::vector<std::string>{"uuid", "name"});
    CHECK(as_request(stream("topic=events&select=%22").subscribe(0, {})).select ==
          std::vector<std::string>{"\""});
    CHECK(refused("topic=events&select=,") == v1_error::bad_request);
    CHECK(refused("topic=events&select=a,,b") == v1_error::bad_request);
}

TEST_CASE("the hash of a stream's query is that of its topics and options") {
    const auto hash = stream("topic=events&latest=true").hash();
    CHECK(stream("latest=1&topic=events&after=x&api_token=y").hash() == hash);
    CHECK(stream("topic=events").hash() != hash);
    CHECK(stream("topic=events&topic=weather&latest=true").hash() != hash);
}

TEST_CASE("what a stream's query may not be") {
    CHECK(refused("") == v1_error::bad_request);
    CHECK(refused("topic=") == v1_error::bad_request);
    CHECK(refused("topic=a&topic=a") == v1_error::bad_request);
    CHECK(refused("topic=%ff") == v1_error::bad_request);
    CHECK(refused("topic=" + std::string(65, 'x')) == v1_error::unknown_topic);
    for (const auto *odd :
         {"filters=all", "filters={}", "filters=[", "filters=[]]", "filters=[],%22op%22:1", "filters=null",
          "select=[7]", "select=[", "select=[]", "snapshot=no", "latest=maybe"})
        CHECK_MESSAGE(refused("topic=events&"s + odd) == v1_error::bad_request, odd);
    std::string many;
    for (std::size_t topic = 0; topic <= stream_place::most_topics; ++topic)
        many += "topic=" + std::to_string(topic) + "&";
    CHECK(refused(many) == v1_error::too_many_subscriptions);
    CHECK(refused("topic=events&filters=" + std::string(100'000, '[')) == v1_error::bad_request);
}

TEST_CASE("NULs and quotes stay within a topic") {
    const auto query = stream("topic=%00%22,%22op%22:%22auth%22");
    CHECK(as_request(query.subscribe(0, "\"}\0"s)).topic == "\0\",\"op\":\"auth\""s);
    CHECK(as_request(query.subscribe(0, "\"}\0"s)).after == "\"}\0"s);
}

TEST_CASE("a query for the newest state") {
    const auto read = [](const std::string &target) {
        return parse_latest_query("/arvados/v1/latest/" + target);
    };
    const auto good = read("zzzzz-4zz18-000000000000000?wait=30&after=AAA&select=name");
    REQUIRE(std::holds_alternative<v1_latest_query>(good));
    const auto &query = std::get<v1_latest_query>(good);
    CHECK(query.uuid == "zzzzz-4zz18-000000000000000");
    CHECK(query.wait_s == 30);
    CHECK(query.after == "AAA");
    CHECK(as_request(query.subscribe("1", "x")).topic == "record/" + query.uuid);
    for (const auto *odd :
         {"x?wait=-1", "x?wait=1s", "x?wait=4294967296", "x?wait=+1", "x?wait=%00", "x?select=["}) {
        const auto bad = read(odd);
        REQUIRE_MESSAGE(std::holds_alternative<v1_query_problem>(bad), odd);
        CHECK(std::get<v1_query_problem>(bad).code == v1_error::bad_request);
    }
    for (const auto &odd : {""s, "?"s, "%ff"s, std::string(65, 'x')}) {
        const auto bad = read(odd);
        REQUIRE_MESSAGE(std::holds_alternative<v1_query_problem>(bad), odd);
        CHECK(std::get<v1_query_problem>(bad).code == v1_error::unknown_topic);
    }
}

TEST_CASE("the outline of what v1 says") {
    const auto head = v1_head("change", "a\"\\b", "TOKEN");
    const auto change = outline_of(head);
    CHECK(change.op == "change");
    CHECK(change.id == R"("a\"\\b")");
    CHECK(change.token == "TOKEN");
    const auto ping = v1_ping("TOKEN"), live = v1_live("a", "TOKEN"), hello = v1_hello(30, {});
    CHECK(outline_of(ping).token == "TOKEN");
    CHECK(outline_of(live).token == "TOKEN");
    CHECK(outline_of(hello).op == "hello");
    CHECK(outline_of(hello).id.empty());
    const auto failure = v1_failure({}, v1_error::not_found, "no \"such\"");
    const auto error = outline_of(failure);
    CHECK(error.id.empty());
    CHECK(error.code == "not_found");
    CHECK(error.message == R"("no \"such\"")");
    const auto named = v1_failure("x", v1_error::not_found, "y");
    CHECK(outline_of(named).id == R"("x")");
    for (const auto *nonsense : {"", "{", R"({"op":)", R"({"op":"x)", R"({"op":"x","id":"\)", "null"})
        CHECK(outline_of(nonsense).id.empty());
}

TEST_CASE("server-sent events") {
    CHECK(event_head("live", "ID") == "event: live\nid: ID\ndata: ");
    CHECK(event_head("hello", "") == "event: hello\nid: \ndata: ");
    CHECK(event_retry(1500) == "retry: 1500\n");
    CHECK(on_one_line(R"({"a":"b\n"})").empty());
    CHECK(on_one_line("{\"a\":\r\n1}") == "{\"a\":  1}");
}

TEST_CASE("parameters in their order") {
    const auto found = query_parameters("/x?a=1&b&a=%32&=3&%61=+#a=9");
    REQUIRE(found.size() == 4);
    CHECK(found[0] == std::pair("a"s, "1"s));
    CHECK(found[1] == std::pair("b"s, ""s));
    CHECK(found[2] == std::pair("a"s, "2"s));
    CHECK(found[3] == std::pair("a"s, " "s));
    CHECK(query_parameters("/x").empty());
    CHECK(path_of("/x?a") == "/x");
    CHECK(path_of("/x#a?b") == "/x");
}
