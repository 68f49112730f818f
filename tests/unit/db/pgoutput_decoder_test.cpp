#include "db/decode_error.hpp"
#include "db/pgoutput_decoder.hpp"
#include "tests/support/pgoutput_builder.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <random>
#include <utility>

using namespace walcast;

namespace {
using values = std::vector<std::pair<value_kind, std::string>>;

values read(const pgoutput::tuple_view &row) {
    values made;
    row.for_each([&](value_kind kind, std::string_view bytes) { made.emplace_back(kind, bytes); });
    return made;
}

template <class Message>
Message decoded(const std::string &bytes, pgoutput_options options = {}) {
    pgoutput_decoder decoder(options);
    const auto made = decoder.decode(bytes);
    REQUIRE_MESSAGE(made.has_value(), made.error().message());
    REQUIRE(std::holds_alternative<Message>(*made));
    return std::get<Message>(*made);
}

boost::system::error_code error_of(const std::string &bytes, pgoutput_options options = {}) {
    pgoutput_decoder decoder(options);
    const auto made = decoder.decode(bytes);
    return made ? boost::system::error_code() : made.error();
}

/// One of every message, as outside a stream or (streamed) within one.
std::vector<std::string> every_message(pgout::in of) {
    using namespace pgout;
    std::vector<std::string> all{
        origin("elsewhere"),
        describe(of, 1, "t", {{"id", true, 20}, {"name"}}),
        type(of, 70000, "mood"),
        insert(of, 1, {"1", null, binary("\x01\x02")}),
        update(of, 1, {"1", unchanged}),
        update(of, 1, 'K', {"1", null}, {"2", "x"}),
        update(of, 1, 'O', {"1", "old"}, {"1", "new"}),
        remove(of, 1, 'K', {"1", null}),
        remove(of, 1, 'O', {"1", "old"}),
        truncate(of, {1, 2}),
        message(of, "walcast", "hello"),
    };
    if (of.xid)
        all.push_back(stream_stop());
    else
        for (const auto &each :
             {begin(7, 100), commit(100, 120), stream_start(7, true), stream_commit(7, 100, 120),
              stream_abort(7, 8), begin_prepare(7, "g"), prepared('P', 7, "g"), prepared('K', 7, "g"),
              prepared('p', 7, "g"), rollback_prepared(7, "g")})
            all.push_back(each);
    return all;
}
} // namespace

TEST_CASE("begin and commit give the place, the time and the transaction") {
    const auto begun = decoded<pgoutput::begin>(pgout::begin(7, 0x16B374D848, 1'767'323'045'000'001));
    CHECK(begun.final == lsn{0x16B374D848});
    CHECK(begun.xid == 7);
    CHECK(begun.committed_at == 1'767'323'045'000'001);
    const auto ended = decoded<pgoutput::commit>(pgout::commit(100, 120, 3));
    CHECK(ended.at == lsn{100});
    CHECK(ended.end == lsn{120});
    CHECK(ended.committed_at == 3);
}

TEST_CASE("a relation gives its columns") {
    const auto bytes =
        pgout::describe({}, 16384, "logs", {{"id", true, 20}, {"event_type", false, 1043, 259}}, 'f');
    const auto made = decoded<pgoutput::relation>(bytes);
    CHECK(made.oid == 16384);
    CHECK(made.schema == "public");
    CHECK(made.name == "logs");
    CHECK(made.replica_identity == 'f');
    std::vector<pgoutput::relation_column> columns;
    made.for_each([&](const auto &each) { columns.push_back(each); });
    REQUIRE(columns.size() == 2);
    CHECK(columns[0].key);
    CHECK(columns[0].name == "id");
    CHECK(columns[0].modifier == -1);
    CHECK_FALSE(columns[1].key);
    CHECK(columns[1].type == 1043);
    CHECK(columns[1].modifier == 259);
}

TEST_CASE("a row has text, binary, null and unchanged values") {
    using pgout::binary, pgout::null, pgout::unchanged;
    const auto bytes =
        pgout::insert({}, 1, {"some text", "", binary(std::string_view("\0\1", 2)), null, unchanged});
    const auto made = decoded<pgoutput::insert>(bytes);
    CHECK(made.oid == 1);
    CHECK(made.xid == 0);
    CHECK(made.row.size() == 5);
    CHECK(read(made.row) == values{{value_kind::text, "some text"},
                                   {value_kind::text, ""},
                                   {value_kind::binary, std::string("\0\1", 2)},
                                   {value_kind::null, ""},
                                   {value_kind::unchanged, ""}});
}

TEST_CASE("an update has no old row, an old key or an old row") {
    const auto plain_bytes = pgout::update({}, 1, {"new"});
    const auto plain = decoded<pgoutput::update>(plain_bytes);
    CHECK(plain.old_kind == pgoutput::old_tuple::none);
    CHECK(plain.old_row.size() == 0);
    CHECK(read(plain.row) == values{{value_kind::text, "new"}});

    const auto key_bytes = pgout::update({}, 1, 'K', {"1", pgout::null}, {"2", "x"});
    const auto key = decoded<pgoutput::update>(key_bytes);
    CHECK(key.old_kind == pgoutput::old_tuple::key);
    CHECK(read(key.old_row) == values{{value_kind::text, "1"}, {value_kind::null, ""}});
    CHECK(read(key.row) == values{{value_kind::text, "2"}, {value_kind::text, "x"}});

    const auto full_bytes = pgout::update({}, 1, 'O', {"old"}, {"new"});
    const auto full = decoded<pgoutput::update>(full_bytes);
    CHECK(full.old_kind == pgoutput::old_tuple::full);
    CHECK(read(full.old_row) == values{{value_kind::text, "old"}});
}

TEST_CASE("a delete has an old key or an old row") {
    const auto key_bytes = pgout::remove({}, 1, 'K', {"1"});
    CHECK(decoded<pgoutput::remove>(key_bytes).old_kind == pgoutput::old_tuple::key);
    const auto full_bytes = pgout::remove({}, 1, 'O', {"1"});
    const auto full = decoded<pgoutput::remove>(full_bytes);
    CHECK(full.old_kind == pgoutput::old_tuple::full);
    CHECK(read(full.old_row) == values{{value_kind::text, "1"}});
}

TEST_CASE("truncate, type, origin and logical messages") {
    const auto truncate_bytes = pgout::truncate({}, {5, 6}, 2);
    const auto truncated = decoded<pgoutput::truncate>(truncate_bytes);
    std::vector<std::uint32_t> oids;
    truncated.for_each([&](std::uint32_t oid) { oids.push_back(oid); });
    CHECK(oids == std::vector<std::uint32_t>{5, 6});
    CHECK(truncated.restart_identity);
    CHECK_FALSE(truncated.cascade);

    const auto type_bytes = pgout::type({}, 70000, "mood");
    CHECK(decoded<pgoutput::type>(type_bytes).name == "mood");
    const auto origin_bytes = pgout::origin("elsewhere", 9);
    CHECK(decoded<pgoutput::origin>(origin_bytes).name == "elsewhere");

    const auto message_bytes = pgout::message({}, "walcast/c", std::string_view("a\0b", 3));
    const auto message = decoded<pgoutput::logical_message>(message_bytes);
    CHECK(message.transactional);
    CHECK(message.prefix == "walcast/c");
    CHECK(message.content == std::string_view("a\0b", 3));
    const auto immediate_bytes = pgout::message({}, "walcast", "", false);
    CHECK_FALSE(decoded<pgoutput::logical_message>(immediate_bytes).transactional);
}

TEST_CASE("changes within a stream have a transaction in front") {
    pgoutput_decoder decoder;
    CHECK(decoder.decode(pgout::stream_start(7, true)).has_value());
    CHECK(decoder.in_stream());
    const auto bytes = pgout::insert({8}, 1, {"x"});
    const auto made = decoder.decode(bytes);
    REQUIRE(made.has_value());
    CHECK(std::get<pgoutput::insert>(*made).xid == 8);
    CHECK(std::get<pgoutput::insert>(*made).oid == 1);
    CHECK(decoder.decode(pgout::stream_start(9, true)).error() == decode_error::unexpected_message);
    CHECK(decoder.decode(pgout::begin(9, 100)).error() == decode_error::unexpected_message);
    CHECK(decoder.decode(pgout::stream_stop()).has_value());
    CHECK_FALSE(decoder.in_stream());
    CHECK(decoder.decode(pgout::stream_stop()).error() == decode_error::unexpected_message);
    const auto after = pgout::insert({}, 1, {"x"});
    CHECK(std::get<pgoutput::insert>(*decoder.decode(after)).xid == 0);
}

TEST_CASE("the end of a stream") {
    const auto committed = decoded<pgoutput::stream_commit>(pgout::stream_commit(7, 100, 120, 3));
    CHECK(committed.xid == 7);
    CHECK(committed.at == lsn{100});
    CHECK(committed.end == lsn{120});
    CHECK(committed.committed_at == 3);
    CHECK(decoded<pgoutput::stream_abort>(pgout::stream_abort(7, 8)).subxid == 8);
}

TEST_CASE("a stream abort is longer with parallel streaming, and only then") {
    const auto longer = pgout::stream_abort(7, 8, 100, 3);
    const auto aborted = decoded<pgoutput::stream_abort>(longer, {.parallel_streaming = true});
    CHECK(aborted.at == lsn{100});
    CHECK(aborted.aborted_at == 3);
    CHECK(error_of(longer) == decode_error::trailing_bytes);
    CHECK(error_of(pgout::stream_abort(7, 8), {.parallel_streaming = true}) == decode_error::truncated);
}

TEST_CASE("two-phase messages are read when asked for and refused when not") {
    using pgoutput::two_phase_step;
    const std::vector<std::pair<std::string, two_phase_step>> all{
        {pgout::begin_prepare(7, "gid"), two_phase_step::begin_prepare},
        {pgout::prepared('P', 7, "gid"), two_phase_step::prepare},
        {pgout::prepared('K', 7, "gid"), two_phase_step::commit_prepared},
        {pgout::prepared('p', 7, "gid"), two_phase_step::stream_prepare},
        {pgout::rollback_prepared(7, "gid"), two_phase_step::rollback_prepared}};
    for (const auto &[bytes, step] : all) {
        CAPTURE(bytes[0]);
        const auto made = decoded<pgoutput::two_phase>(bytes, {.two_phase = true});
        CHECK(made.step == step);
        CHECK(made.xid == 7);
        CHECK(made.at == lsn{10});
        CHECK(made.end == lsn{20});
        CHECK(made.gid == "gid");
        CHECK(error_of(bytes) == decode_error::two_phase_unrequested);
    }
}

TEST_CASE("every message cut short anywhere, or too long, is an error") {
    const pgoutput_options options{.two_phase = true};
    for (const auto of : {pgout::in{}, pgout::in{8}})
        for (const auto &whole : every_message(of)) {
            CAPTURE(whole[0]);
            CAPTURE(of.xid);
            pgoutput_decoder decoder(options);
            if (of.xid)
                REQUIRE(decoder.decode(pgout::stream_start(8, true)).has_value());
            for (std::size_t length = 0; length < whole.size(); ++length) {
                // An allocation of just that size, so that a sanitizer sees a read past its end.
                const std::unique_ptr<char[]> exact(new char[length]);
                whole.copy(exact.get(), length);
                CAPTURE(length);
                CHECK(decoder.decode({exact.get(), length}).error() == decode_error::truncated);
            }
            CHECK(decoder.decode(whole + "x").error() == decode_error::trailing_bytes);
            CHECK(decoder.decode(whole).has_value());
        }
}

TEST_CASE("impossible fields are errors") {
    using namespace pgout;
    CHECK(error_of("?") == decode_error::unknown_message);
    CHECK(error_of(begin(7, 0)) == decode_error::bad_field);
    CHECK(error_of("C" + i8(1) + i64(100) + i64(120) + i64(0)) == decode_error::bad_field);
    CHECK(error_of(commit(100, 0)) == decode_error::bad_field);
    CHECK(error_of("I" + i32(1) + "O" + row({"x"})) == decode_error::bad_field);
    CHECK(error_of("D" + i32(1) + "N" + row({"x"})) == decode_error::bad_field);
    CHECK(error_of("U" + i32(1) + "K" + row({"x"}) + "K" + row({"x"})) == decode_error::bad_field);
    CHECK(error_of("S" + i32(7) + i8(2)) == decode_error::bad_field);
    CHECK(error_of("I" + i32(1) + "N" + i16(1) + "z") == decode_error::bad_field);
    const auto huge = "I" + i32(1) + "N" + i16(1) + "t" + i32(0xffffffffU);
    CHECK(error_of(huge) == decode_error::truncated);
    CHECK(error_of("T" + i32(0xffffffffU) + i8(0) + i32(1)) == decode_error::truncated);
    CHECK(error_of("R" + i32(1) + str("s") + str("t") + "d" + i16(65535)) == decode_error::truncated);
}

TEST_CASE("bytes that are changed at random never do worse than an error") {
    std::mt19937 random(20260102);
    for (const auto of : {pgout::in{}, pgout::in{8}})
        for (const auto &whole : every_message(of))
            for (int round = 0; round < 2000; ++round) {
                auto broken = whole;
                for (auto changes = random() % 4 + 1; changes != 0; --changes)
                    broken[random() % broken.size()] = static_cast<char>(random());
                pgoutput_decoder decoder({.parallel_streaming = (random() & 1U) != 0, .two_phase = true});
                const auto made = of.xid ? decoder.decode_streamed(broken) : decoder.decode(broken);
                if (!made)
                    CHECK(made.error().category() == decode_category());
                else if (const auto *row = std::get_if<pgoutput::insert>(&*made))
                    CHECK(read(row->row).size() == row->row.size());
            }
}

TEST_CASE("errors say what they are") {
    const boost::system::error_code code = decode_error::truncated;
    CHECK(code.message() == "message is cut short");
    CHECK(std::string(code.category().name()) == "walcast.decode");
    CHECK_FALSE(is_spill_error(code));
    CHECK(is_spill_error({28, boost::system::system_category()}));
}
