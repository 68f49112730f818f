// Protocol v1: messages of clients, resume tokens, and messages that carry what clients said. The first
// record is a message, the second a token, the third the bytes that a token is made of, the fourth any text.

#include "server/protocol/resume_token.hpp"
#include "server/protocol/utf8.hpp"
#include "server/protocol/v1_encode.hpp"
#include "server/protocol/v1_request.hpp"
#include "tests/fuzz/records.hpp"
#include "tests/fuzz/require.hpp"
#include "tests/unit/protocol/support.hpp"

using namespace walcast;
using fuzz::require;

namespace {

const token_seal ours({{7, "ours"}, {6, "ours before"}});
const token_seal before({{6, "ours before"}});
const token_seal theirs({{7, "theirs"}, {6, "theirs before"}});

/// What bytes say where they are any place in the stream.
resume_point point_of(std::string_view bytes) {
    resume_point point;
    const auto take = [&bytes](auto &number) {
        bytes.remove_prefix(bytes.copy(reinterpret_cast<char *>(&number), sizeof number));
    };
    take(point.system_identifier);
    take(point.timeline);
    take(point.at.commit.value);
    take(point.at.index);
    take(point.subscription);
    take(point.subject);
    take(point.schema);
    take(point.issued_at_s);
    return point;
}

void check_token(std::string_view token, const resume_point &point) {
    if (const auto opened = ours.open(token))
        require(ours.seal(*opened) == token || before.seal(*opened) == token,
                "what opens is what we have sealed, to the letter");
    require(!theirs.open(ours.seal(point)), "a token is of no use to others");
    require(ours.open(ours.seal(point)) == point, "a token says what was sealed");
    require(ours.open(before.seal(point)) == point, "also with the key before");
}

std::string written_by(std::string_view id, std::string_view token, std::string_view op) {
    return v1_head(op, id, token) + v1_snapshot_body("null");
}

/// A message is JSON, whose strings are as they were given but for what is no UTF-8.
void check_message(const std::string &message, std::string_view id, bool utf8) {
    rapidjson::Document read;
    require(test::valid_json(message, read) && read.IsObject() && read.HasMember("op"), "a message is JSON");
    if (!read.HasMember("id"))
        return require(id.empty(), "a message has the name of its subscription");
    const auto &found = read["id"];
    const std::string_view name(found.GetString(), found.GetStringLength());
    require(!utf8 || name == id, "a subscription has the name that the client gave it");
}

void check_messages(std::string_view id, std::string_view text) {
    const bool utf8 = is_utf8(id);
    const auto token = ours.seal(resume_point{});
    for (const auto &message :
         {v1_failure(id, v1_error::bad_request, text), v1_reset_message(id, v1_reset::expired),
          v1_silenced(id, text), v1_restored(id), v1_end(id, text), v1_live(id, token),
          written_by(id, token, "snapshot"), written_by(id, token, "change")})
        check_message(message, id, utf8);
    rapidjson::Document read;
    require(test::valid_json(v1_authenticated(text, std::nullopt), read), "a message is JSON");
    require(test::valid_json(v1_goodbye(text, 1), read), "a message is JSON");
}

bool small_name(std::string_view name, std::size_t most) {
    return !name.empty() && name.size() <= most && is_utf8(name);
}

void check_subscribe(const v1_subscribe &read) {
    require(small_name(read.id, v1_subscribe::max_id_bytes), "an id within its limit");
    require(small_name(read.topic, v1_subscribe::max_topic_bytes), "a topic within its limit");
    require(!read.after || is_utf8(*read.after), "a token in UTF-8");
    if (read.select) {
        require(!read.select->empty() && read.select->size() <= v1_subscribe::max_columns, "some columns");
        for (const auto &column : *read.select)
            require(small_name(column, 63), "with names");
    }
    require(fuzz::may_be_zero_with_an_exponent(read.filters) || test::valid_json(read.filters),
            "filters are JSON");
    check_messages(read.id, read.topic);

    // The same again, as any JSON library would write it.
    std::string again = R"({"op":"subscribe","filters":)" + read.filters + ",\"id\":";
    append_json_string(again, read.id);
    again += ",\"topic\":";
    append_json_string(again, read.topic);
    again += read.snapshot ? "" : ",\"snapshot\":false";
    again += read.latest ? ",\"latest\":true" : "";
    again += ",\"after\":";
    if (read.after)
        append_json_string(again, *read.after);
    else
        again += "null";
    for (std::size_t at = 0; read.select && at < read.select->size(); ++at) {
        again += at == 0 ? ",\"select\":[" : ",";
        append_json_string(again, (*read.select)[at]);
    }
    again += read.select ? "]}" : "}";
    const auto request = parse_v1_request(again);
    const auto *const same = std::get_if<v1_subscribe>(&request);
    require(same != nullptr && same->id == read.id && same->topic == read.topic &&
                same->after == read.after && same->select == read.select && same->filters == read.filters &&
                same->snapshot == read.snapshot && same->latest == read.latest,
            "what was read is written and read again");
}

void check_request(std::string_view message) {
    const auto request = parse_v1_request(message);
    if (const auto *const subscribe = std::get_if<v1_subscribe>(&request)) {
        check_subscribe(*subscribe);
    } else if (const auto *const unsubscribe = std::get_if<v1_unsubscribe>(&request)) {
        require(small_name(unsubscribe->id, v1_subscribe::max_id_bytes), "an id within its limit");
    } else if (const auto *const auth = std::get_if<v1_auth>(&request)) {
        require(is_utf8(auth->token), "a token in UTF-8");
    } else if (const auto *const bad = std::get_if<v1_bad_request>(&request)) {
        require(bad->id.empty() || small_name(bad->id, v1_subscribe::max_id_bytes), "an id, or none");
        require(!bad->why.empty() && bad->why.size() < 200, "a short reason");
        check_message(v1_failure(bad->id, v1_error::bad_request, bad->why), bad->id, true);
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    const auto records = fuzz::split_records(fuzz::as_text(data, size));
    const auto any = fuzz::record_at(records, 3);
    check_request(fuzz::record_at(records, 0));
    check_token(fuzz::record_at(records, 1), point_of(fuzz::record_at(records, 2)));
    check_messages(any.empty() ? "a" : any, any);
    return 0;
}
