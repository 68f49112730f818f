#include "server/protocol/stream_place.hpp"

#include <cstdint>
#include <doctest/doctest.h>
#include <string>

using namespace walcast;

namespace {

const token_seal ours({{7, "ours"}, {6, "ours before"}});
const token_seal theirs({{7, "theirs"}});

resume_point at(std::uint64_t commit, std::uint32_t index = UINT32_MAX) {
    return {.system_identifier = 11,
            .timeline = 2,
            .at = {lsn{commit}, index},
            .subscription = 77,
            .subject = 33,
            .row_id = 5,
            .schema = 9,
            .issued_at_s = 1};
}

/// The place that the tokens of the topics say, after the way through an id.
position place_after(const stream_place &of, std::size_t topics, std::size_t topic) {
    stream_place read(topics, 99);
    REQUIRE(read.read(ours, of.text(ours)));
    const auto opened = ours.open(read.token_of(topic, ours));
    REQUIRE(opened);
    return opened->at;
}

} // namespace

TEST_CASE("a stream that stands nowhere has no id") {
    stream_place place(3, 99);
    CHECK(place.text(ours).empty());
    place.note(1, at(100));
    CHECK_FALSE(place.text(ours).empty());
    place.forget(1);
    CHECK(place.text(ours).empty());
}

TEST_CASE("an id has the token of each topic, all that it says but the subscription") {
    stream_place place(3, 99);
    place.note(0, at(100, 4));
    auto other = at(200);
    other.row_id = 0;
    other.schema = 0;
    place.note(2, other);
    stream_place read(3, 99);
    REQUIRE(read.read(ours, place.text(ours)));
    auto expected = at(100, 4);
    expected.subscription = 0; // any
    expected.issued_at_s = 0;
    CHECK(ours.open(read.token_of(0, ours)) == expected);
    CHECK(read.token_of(1, ours).empty());
    expected.at = other.at;
    expected.row_id = 0;
    expected.schema = 0;
    CHECK(ours.open(read.token_of(2, ours)) == expected);
    CHECK(read.text(ours) == place.text(ours));
}

TEST_CASE("a ping moves every topic that stands somewhere, and none back") {
    stream_place place(3, 99);
    place.note(0, at(100));
    place.note(1, at(400));
    place.note_all(at(300));
    CHECK(place_after(place, 3, 0) == at(300).at);
    CHECK(place_after(place, 3, 1) == at(400).at);
    stream_place read(3, 99);
    REQUIRE(read.read(ours, place.text(ours)));
    CHECK(read.token_of(2, ours).empty());
    CHECK(ours.open(read.token_of(0, ours))->row_id == 5);
}

TEST_CASE("an id of another request makes tokens of another subscription") {
    stream_place place(2, 99);
    place.note(0, at(100));
    for (const std::size_t topics : {1, 2, 5}) {
        stream_place read(topics, 98);
        REQUIRE(read.read(ours, place.text(ours)));
        for (std::size_t topic = 0; topic < topics; ++topic) {
            const auto opened = ours.open(read.token_of(topic, ours));
            REQUIRE(opened);
            CHECK(opened->subscription != 0);
            CHECK(opened->subject == 33);
        }
        // It stays so until something has been sent.
        stream_place again(topics, 98);
        REQUIRE(again.read(ours, read.text(ours)));
        CHECK(ours.open(again.token_of(0, ours))->subscription != 0);
        read.note(0, at(500));
        stream_place begun(topics, 98);
        REQUIRE(begun.read(ours, read.text(ours)));
        CHECK(ours.open(begun.token_of(0, ours))->subscription == 0);
        CHECK(ours.open(begun.token_of(0, ours))->at == at(500).at);
    }
}

TEST_CASE("what belongs to another database or user replaces all there was") {
    stream_place place(2, 99);
    place.note(0, at(100));
    auto promoted = at(50);
    promoted.timeline = 3;
    place.note(1, promoted);
    stream_place read(2, 99);
    REQUIRE(read.read(ours, place.text(ours)));
    CHECK(read.token_of(0, ours).empty());
    CHECK(ours.open(read.token_of(1, ours))->timeline == 3);
}

TEST_CASE("an id is ours to the letter, or nothing") {
    stream_place place(2, 99);
    place.note(0, at(100));
    const auto id = place.text(ours);
    stream_place read(2, 99);
    CHECK_FALSE(read.read(theirs, id));
    for (std::size_t byte = 0; byte < id.size(); ++byte) {
        auto wrong = id;
        wrong[byte] = wrong[byte] == 'A' ? 'B' : 'A';
        CHECK_FALSE(read.read(ours, wrong));
        CHECK_FALSE(read.read(ours, id.substr(0, byte)));
    }
    CHECK_FALSE(read.read(ours, id + "A"));
    CHECK_FALSE(read.read(ours, ours.seal(at(100)))); // a resume token is no id,
    CHECK_FALSE(ours.open(id));                       // and an id no token
    for (const std::string content : {"", "short"})
        CHECK_FALSE(read.read(ours, ours.seal_bytes(content)));
}

TEST_CASE("an id of as many topics as there may be is bounded") {
    stream_place place(stream_place::most_topics, 99);
    for (std::size_t topic = 0; topic < stream_place::most_topics; ++topic) {
        auto point = at(~std::uint64_t{0} - topic, static_cast<std::uint32_t>(topic));
        point.row_id = -1;
        point.schema = static_cast<std::uint32_t>(topic + 1);
        place.note(topic, point);
    }
    const auto id = place.text(ours);
    CHECK(id.size() <= stream_place::most_characters);
    CHECK(stream_place::most_characters < 4096);
    stream_place read(stream_place::most_topics, 99);
    REQUIRE(read.read(ours, id));
    CHECK(ours.open(read.token_of(99, ours))->at.index == 99);
    CHECK_FALSE(read.read(ours, std::string(stream_place::most_characters + 1, 'A')));
}
