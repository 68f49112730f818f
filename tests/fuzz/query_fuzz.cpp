// Requests over HTTP of protocol v1. The first record is a request's target, the second the id of an event,
// the third the bytes that an id is made of, the fourth If-None-Match.

#include "server/net/http_api.hpp"
#include "server/protocol/query.hpp"
#include "server/protocol/server_sent_event.hpp"
#include "server/protocol/stream_place.hpp"
#include "server/protocol/v1_outline.hpp"
#include "server/protocol/v1_query.hpp"
#include "server/protocol/v1_request.hpp"
#include "tests/fuzz/records.hpp"
#include "tests/fuzz/require.hpp"

#include <algorithm>
#include <variant>

using namespace walcast;
using fuzz::require;

namespace {

const token_seal ours({{7, "ours"}, {6, "ours before"}});

/// What was understood is a subscribe, of this topic, with this token.
void check_subscribe(const std::string &message, std::string_view topic, std::string_view token) {
    const auto read = parse_v1_request(message);
    const auto *subscribe = std::get_if<v1_subscribe>(&read);
    require(subscribe != nullptr, "what is understood is a subscribe");
    require(subscribe->topic == topic, "the topic is the one that was asked for");
    require(subscribe->after.value_or("") == token, "the token is the one that was given");
    require(message.find('\n') == message.npos && on_one_line(message).empty(), "a message is one line");
}

void check_stream(std::string_view target, std::string_view id) {
    const auto read = parse_stream_query(target);
    if (const auto *problem = std::get_if<v1_query_problem>(&read))
        return require(!problem->why.empty(), "a refusal says why");
    const auto &query = std::get<v1_stream_query>(read);
    require(!query.topics.empty() && query.topics.size() <= stream_place::most_topics, "there are topics");
    stream_place place(query.topics.size(), query.hash());
    const bool known = place.read(ours, id);
    for (std::size_t topic = 0; topic < query.topics.size(); ++topic) {
        const auto token = known ? place.token_of(topic, ours) : std::string();
        require(token.empty() || ours.open(token), "an id is made of tokens of ours");
        check_subscribe(query.subscribe(topic, token), query.topics[topic], token);
    }
    if (known) {
        place.note_all({.at = {lsn{1}, 1}});
        const auto text = place.text(ours);
        stream_place again(query.topics.size(), query.hash());
        require(text.empty() || (text.size() <= stream_place::most_characters && again.read(ours, text)),
                "an id is read again");
    }
}

void check_latest(std::string_view target) {
    if (!path_of(target).starts_with(latest_path))
        return;
    const auto read = parse_latest_query(target);
    if (const auto *query = std::get_if<v1_latest_query>(&read))
        check_subscribe(query->subscribe("1", {}), "record/" + query->uuid, {});
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    const auto records = fuzz::split_records(fuzz::as_text(data, size));
    const auto record = [&](std::size_t place) { return fuzz::record_at(records, place); };
    check_stream(record(0), record(1));
    check_stream(record(0), ours.seal_bytes(record(2)));
    check_latest(record(0));
    const auto etag = etag_of(record(2));
    require(etag_matches(etag, etag) && etag_matches("W/" + etag, etag), "an ETag is itself");
    (void)etag_matches(record(3), etag);
    (void)outline_of(record(2));
    const auto line = on_one_line(record(2));
    require(line.find_first_of("\r\n") == line.npos, "one line is one line");
    return 0;
}
