#include "server/net/event_stream.hpp"

#include "server/protocol/server_sent_event.hpp"
#include "server/protocol/utf8.hpp"
#include "server/protocol/v1_outline.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <random>
#include <utility>

namespace walcast {

namespace http = boost::beast::http;

namespace {

/// How long a browser waits before it connects again. Not all the same, so that those of a relay that was
/// restarted do not all come at once.
constexpr unsigned least_retry_ms = 1'000, most_retry_ms = 3'000;

unsigned any_retry() {
    static thread_local std::minstd_rand random{std::random_device{}()};
    return std::uniform_int_distribution<unsigned>(least_retry_ms, most_retry_ms)(random);
}

} // namespace

event_stream::event_stream(std::shared_ptr<outbox> box, std::size_t outbox_bound, const token_seal &seal,
                           v1_stream_query query, framing how)
    : http_exchange(std::move(box), outbox_bound)
    , seal_(seal)
    , query_(std::move(query))
    , how_(how)
    , place_(query_.topics.size(), query_.hash())
    , refused_(query_.topics.size())
    , retry_ms_(any_retry()) {
    for (const auto &topic : query_.topics)
        append_json_string(ids_.emplace_back(), topic);
}

event_stream::~event_stream() {
    session_.reset();
}

void event_stream::open(const make_session &make, std::string_view last_event_id) {
    const std::string id = !last_event_id.empty() ? std::string(last_event_id) : query_.after.value_or("");
    const bool ours = !id.empty() && place_.read(seal_, id);
    start(make);
    // What is no id of a stream may be a resume token; v1 says what is wrong with it if it is not.
    for (std::size_t topic = 0; topic < query_.topics.size(); ++topic)
        say(query_.subscribe(topic, ours ? place_.token_of(topic, seal_) : id));
}

std::size_t event_stream::topic_of(std::string_view id) const {
    return static_cast<std::size_t>(std::find(ids_.begin(), ids_.end(), id) - ids_.begin());
}

void event_stream::send(std::string_view prefix, const shared_frame &body) {
    if (closing_)
        return;
    const std::string_view start = prefix.empty() ? std::string_view(body->bytes()) : prefix;
    const auto said = outline_of(start);
    if (!decide(said.op, said.id, start)) {
        if (!closing_)
            held_back_.push_back(std::string(prefix) + body->bytes());
        return;
    }
    note(said.op, topic_of(said.id), said.token);
    push_event(said.op, prefix, body);
}

bool event_stream::decide(std::string_view op, std::string_view id, std::string_view message) {
    if (begun_)
        return true;
    if (op == "error") {
        if (id.empty()) {
            answer(api_failure(message));
            return false;
        }
        if (const auto topic = topic_of(id); topic < refused_.size())
            refused_[topic] = true;
        if (std::find(refused_.begin(), refused_.end(), false) == refused_.end())
            answer(api_failure(message));
        return false;
    }
    if (id.empty())
        return false;
    begin();
    return !closing_;
}

void event_stream::begin() {
    if (begun_ || over())
        return;
    begun_ = true;
    auto head = fmt::format("HTTP/1.1 200 OK\r\nDate: {}\r\nContent-Type: text/event-stream\r\n"
                            "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
                            "X-Accel-Buffering: no\r\n"
                            "Access-Control-Allow-Origin: *\r\n"
                            "{}Connection: close\r\n\r\n",
                            http_date(std::time(nullptr)),
                            how_ == framing::unframed ? "" : "Transfer-Encoding: chunked\r\n");
    box_->push({}, make_frame(std::move(head)));
    if (how_ == framing::head_only)
        return close(close_code::service_restart, {});
    box_->no_deadline();
    push_chunk(event_retry(retry_ms_));
    for (const auto &message : std::exchange(held_back_, {})) {
        const auto said = outline_of(message);
        note(said.op, topic_of(said.id), said.token);
        push_event(said.op, {}, make_frame(message));
    }
}

void event_stream::note(std::string_view op, std::size_t topic, std::string_view token) {
    if (const auto said = token.empty() ? std::nullopt : seal_.open(token)) {
        if (op == "ping")
            place_.note_all(*said);
        else if (topic < ids_.size())
            place_.note(topic, *said);
    } else if (topic < ids_.size()) {
        // An error, a reset, silence: the topic has no place until something with a token comes.
        place_.forget(topic);
    }
}

void event_stream::push_event(std::string_view op, std::string_view prefix, const shared_frame &body) {
    auto head = event_head(op, place_.text(seal_));
    head.append(prefix);
    auto line = on_one_line(body->bytes());
    const auto data = line.empty() ? body : make_frame(std::move(line));
    if (how_ == framing::chunked) {
        const auto size = head.size() + data->bytes().size() + event_end.size();
        head.insert(0, fmt::format("{:x}\r\n", size));
    }
    box_->push({}, make_frame(std::move(head)));
    box_->push({}, data);
    box_->push(how_ == framing::chunked ? "\n\n\r\n" : event_end, nothing_);
}

void event_stream::push_chunk(std::string bytes) {
    if (how_ == framing::chunked)
        bytes = fmt::format("{:x}\r\n{}\r\n", bytes.size(), bytes);
    box_->push({}, make_frame(std::move(bytes)));
}

void event_stream::close(close_code code, std::string_view reason) {
    if (closing_)
        return;
    if (!begun_)
        return answer(api_failure(code, reason));
    if (how_ == framing::chunked)
        box_->push("0\r\n\r\n", nothing_);
    box_->seal();
    box_->flush();
    end();
}

} // namespace walcast
