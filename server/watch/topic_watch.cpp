#include "server/watch/topic_watch.hpp"

#include "server/ops/clock.hpp"
#include "server/protocol/utf8.hpp"
#include "server/watch/incoming_frame.hpp"
#include "server/watch/record_text.hpp"
#include "server/watch/safe_text.hpp"
#include "server/watch/subscribe_frame.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace walcast {

namespace {

using json = rapidjson::Value;
using standing = watched_topic::standing;

/// Of a message that cannot be read, or of a refusal's words.
constexpr std::size_t most_shown = 200;
/// No server makes us wait longer before we come back.
constexpr std::int64_t most_retry_ms = 60'000;

const json null_value;

const json &member(const json &of, const char *name) {
    const auto found = of.FindMember(name);
    return found == of.MemberEnd() ? null_value : found->value;
}

/// What the subscribes of a kind of topic have in common: members, each with a comma before it.
std::string wishes_of(topic_kind kind, const watch_options &options) {
    std::string made;
    const auto add = [&](std::string_view key, std::string_view value) {
        made += fmt::format(R"(,"{}":{})", key, value);
    };
    if (kind == topic_kind::record && !options.select.empty()) {
        std::string columns;
        for (const auto &column : options.select)
            columns.append(columns.empty() ? "" : ",").append(json_string(column));
        add("select", '[' + columns + ']');
    }
    if (kind == topic_kind::events)
        if (const auto filters = subscribe_frame(options, unix_microseconds()).filters(); filters != "[]")
            add("filters", filters);
    if (options.latest)
        add("latest", "true");
    return made;
}

/// `words (code)`, from an error.
std::string problem(const json &message) {
    return fmt::format("{} ({})", safe_text(shortened(text_member(message, "message"), most_shown)),
                       safe_text(shortened(text_member(message, "code"), most_shown)));
}

} // namespace

topic_watch::topic_watch(const watch_options &options, const std::vector<std::string> &topics,
                         const watch_url &where, const std::string &token, watch_printer &printer)
    : shown_(where.shown)
    , printer_(printer)
    , most_(options.count)
    , once_(options.once) {
    if (!where.has_token)
        auth_ = fmt::format(R"({{"op":"auth","token":{}}})", json_string(token));
    for (const auto &topic : topics)
        topics_.emplace_back(topic, wishes_of(kind_of_topic(topic), options), options.after);
}

std::vector<std::string> topic_watch::opening() {
    agreed_ = said_ = false;
    reason_.clear();
    retry_after_ = {};
    std::vector<std::string> made;
    if (!auth_.empty())
        made.push_back(auth_);
    for (auto &topic : topics_)
        if (topic.is() != standing::finished)
            made.push_back(topic.subscribe());
    return made;
}

void topic_watch::interrupted() {
    if (topics_.size() == 1 && !topics_.front().token().empty())
        notice("ended; to go on exactly here: --after " + safe_text(topics_.front().token()));
}

frame_verdict topic_watch::received(std::string_view text) {
    const auto message = parse_object(text);
    const auto op = text_member(message, "op");
    if (op.empty()) {
        notice("a message that is none of the protocol's: " + safe_text(shortened(text, most_shown)));
        return frame_verdict::go_on;
    }
    const auto id = text_member(message, "id");
    if (id.empty())
        return about_connection(op, text, message);
    auto *topic = find(id);
    if (topic == nullptr || topic->is() == standing::finished)
        return frame_verdict::go_on;
    if (printer_.as_json() && print(std::string(text)) == frame_verdict::stop)
        return frame_verdict::stop;
    return about(*topic, op, message);
}

frame_verdict topic_watch::about_connection(std::string_view op, std::string_view text,
                                            const rapidjson::Document &message) {
    if (op == "hello") {
        const auto &protocol = member(message, "protocol");
        if (!protocol.IsInt() || protocol.GetInt() != 1)
            return fail("the server speaks another version of the protocol");
    } else if (op == "goodbye") {
        if (const auto &wait = member(message, "retry_after_ms"); wait.IsInt64())
            retry_after_ =
                std::chrono::milliseconds(std::clamp<std::int64_t>(wait.GetInt64(), 0, most_retry_ms));
    } else if (op == "ping") {
        const auto token = text_member(message, "token");
        if (token.empty())
            return frame_verdict::go_on;
        for (auto &topic : topics_)
            if (topic.is() == standing::settled)
                topic.reached(token);
        // So that a script has a token which is not too old when nothing has changed for days.
        if (printer_.as_json())
            return print(std::string(text));
    } else if (op == "error") {
        if (text_member(message, "code") == "unauthorized")
            return fail("the server refuses the token: " + problem(message));
        notice(problem(message));
    }
    return frame_verdict::go_on;
}

frame_verdict topic_watch::about(watched_topic &topic, std::string_view op,
                                 const rapidjson::Document &message) {
    const auto style = printer_.style();
    auto verdict = frame_verdict::go_on;
    const auto tell = [&](const std::string &text) {
        if (!printer_.as_json())
            verdict = print(text);
    };
    if (op == "change")
        return change(topic, message);
    if (op == "error")
        return refused(topic, message);
    if (op == "snapshot") {
        const auto &record = member(message, "record");
        topic.keep(record, nullptr);
        topic.reached(text_member(message, "token"));
        tell(state_text(topic.name(), record, style));
    } else if (op == "live") {
        topic.reached(text_member(message, "token"));
        return settled(topic);
    } else if (op == "reset") {
        topic.begin_anew();
        tell(incident_text(topic.name(), op, text_member(message, "reason"), style));
    } else if (op == "silenced" || op == "restored") {
        if (op == "restored")
            topic.begin_anew();
        tell(incident_text(topic.name(), op, text_member(message, "reason"), style));
        if (verdict == frame_verdict::go_on && op == "silenced")
            return settled(topic);
    }
    return verdict;
}

frame_verdict topic_watch::change(watched_topic &topic, const rapidjson::Document &message) {
    const auto style = printer_.style();
    const auto &record = member(message, "record");
    auto verdict = frame_verdict::go_on;
    if (!printer_.as_json())
        verdict = print(topic.kind() == topic_kind::events ? event_line(record, style) + '\n'
                        : topic.kind() == topic_kind::grants
                            ? grants_text(topic.name(), message, style)
                            : change_text(topic.name(), message, topic.record(), style));
    if (topic.kind() == topic_kind::record)
        topic.keep(record, &member(message, "unchanged"));
    topic.reached(text_member(message, "token"));
    ++printed_;
    return most_ && printed_ >= *most_ ? frame_verdict::stop : verdict;
}

frame_verdict topic_watch::settled(watched_topic &topic) {
    topic.settle();
    agreed_ = true;
    return answered();
}

frame_verdict topic_watch::answered() {
    if (count(standing::asked) > 0 || std::exchange(said_, true))
        return frame_verdict::go_on;
    notice(ever_agreed_ ? "subscribed again, from exactly where it was" : "subscribed to " + shown_);
    ever_agreed_ = true;
    return once_ ? frame_verdict::stop : frame_verdict::go_on;
}

frame_verdict topic_watch::refused(watched_topic &topic, const rapidjson::Document &message) {
    const auto code = text_member(message, "code");
    if (code == "unauthorized")
        return fail("the server refuses the token: " + problem(message));
    if (code == "unavailable") {
        reason_ = "the server cannot answer now: " + problem(message);
        return ever_agreed_ ? frame_verdict::leave : fail(reason_);
    }
    notice(fmt::format("{}: {}", safe_text(topic.name()), problem(message)));
    topic.finish();
    refused_ = true;
    return count(standing::finished) == topics_.size() ? frame_verdict::stop : answered();
}

frame_verdict topic_watch::fail(std::string why) {
    failure_ = fmt::format("{}: {}", shown_, why);
    return frame_verdict::stop;
}

frame_verdict topic_watch::print(const std::string &text) {
    const auto verdict = printer_.as_json() ? printer_.print_json(text) : printer_.print(text);
    failure_ = printer_.failure();
    return verdict;
}

watched_topic *topic_watch::find(std::string_view id) {
    const auto found = std::find_if(topics_.begin(), topics_.end(),
                                    [&](const watched_topic &topic) { return topic.name() == id; });
    return found == topics_.end() ? nullptr : &*found;
}

std::size_t topic_watch::count(standing wanted) const {
    return static_cast<std::size_t>(std::count_if(
        topics_.begin(), topics_.end(), [&](const watched_topic &topic) { return topic.is() == wanted; }));
}

} // namespace walcast
