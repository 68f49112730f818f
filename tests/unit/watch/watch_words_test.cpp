#include "server/watch/watch_words.hpp"

#include "server/watch/watch_error.hpp"

#include <doctest/doctest.h>
#include <string>
#include <vector>

using namespace walcast;

namespace {

using words = std::vector<std::string>;

watch_wish read(words given, std::string_view usual = {}) {
    watch_options options;
    options.words = std::move(given);
    return read_watch_words(options, usual);
}

} // namespace

TEST_CASE("topics and the URL may come in any order") {
    CHECK(read({}).url == "ws://127.0.0.1:8005/websocket");
    CHECK(read({}).topics.empty());
    CHECK(read({}, "wss://h").url == "wss://h");
    CHECK(read({"ws://i"}, "wss://h").url == "ws://i");
    const auto both = read({"record/a", "ws://i", "events", "record/a", "grants/b"}, "wss://h");
    CHECK(both.url == "ws://i");
    CHECK(both.topics == words{"record/a", "events", "grants/b"});
    CHECK(kind_of_topic("record/a") == topic_kind::record);
    CHECK(kind_of_topic("events") == topic_kind::events);
    CHECK(kind_of_topic("grants/a") == topic_kind::grants);
}

TEST_CASE("a second URL may hold a token, which is not repeated") {
    try {
        (void)read({"ws://h", "ws://i/?api_token=secret"});
        FAIL("it was accepted");
    } catch (const watch_error &error) {
        CHECK(std::string(error.what()).find("secret") == std::string::npos);
    }
}
