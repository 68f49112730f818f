#include "server/net/record_poll.hpp"

#include "server/protocol/v1_outline.hpp"

#include <fmt/format.h>
#include <utility>

namespace walcast {

namespace http = boost::beast::http;

namespace {
constexpr std::string_view before_record = R"("record":)", behind_record = "}";
} // namespace

record_poll::record_poll(std::shared_ptr<outbox> box, std::size_t outbox_bound, v1_latest_query query,
                         std::string if_none_match)
    : http_exchange(std::move(box), outbox_bound)
    , query_(std::move(query))
    , if_none_match_(std::move(if_none_match)) {}

record_poll::~record_poll() {
    session_.reset();
}

void record_poll::open(const make_session &make, clock::time_point patience) {
    patience_ = patience;
    unchanged_ = query_.after.has_value();
    start(make);
    subscribe(query_.after.value_or(std::string()));
}

void record_poll::subscribe(std::string_view after) {
    has_state_ = false;
    say(query_.subscribe(fmt::to_string(++newest_), after));
}

void record_poll::refresh() {
    waits_ = false;
    refresh_ = true;
    wake();
}

void record_poll::on_turn() {
    for (; has_state_ && oldest_ < newest_; ++oldest_)
        say(fmt::format(R"({{"op":"unsubscribe","id":"{}"}})", oldest_));
    if (std::exchange(refresh_, false))
        subscribe({});
}

void record_poll::send(std::string_view prefix, const shared_frame &body) {
    if (closing_)
        return;
    const auto said = outline_of(prefix.empty() ? std::string_view(body->bytes()) : prefix);
    const bool of_newest = said.id == fmt::format("\"{}\"", newest_);
    if (said.op == "error") {
        if (of_newest || said.id.empty())
            answer(api_failure(body->bytes()));
    } else if (said.op == "silenced") {
        const bool token = body->bytes().find(R"("reason":"token")") != std::string::npos;
        answer(token ? api_failure(v1_error::unauthorized, "the token is not good")
                     : api_failure(v1_error::not_found, "there is no such object"));
    } else if (said.op == "snapshot" && of_newest) {
        take_state(body->bytes(), said.token);
    } else if (said.op == "reset") {
        unchanged_ = waits_ = false; // a snapshot follows
    } else if (said.op == "change") {
        unchanged_ = false;
        if (has_state_) // else the snapshot that is to come has it
            refresh();
    } else if (said.op == "live" && of_newest && !has_state_) {
        refresh(); // it went on from a token
    }
}

void record_poll::take_state(std::string_view body, std::string_view token) {
    const auto record =
        body.substr(before_record.size(), body.size() - before_record.size() - behind_record.size());
    if (record == "null")
        return answer(api_failure(v1_error::not_found, "there is no such object"));
    has_state_ = true;
    token_ = token;
    etag_ = etag_of(record);
    const bool client_has_it = if_none_match_.empty() ? unchanged_ : etag_matches(if_none_match_, etag_);
    if (!client_has_it)
        return answer({.status = http::status::ok,
                       .body = std::string(record),
                       .etag = std::move(etag_),
                       .token = std::move(token_)});
    waits_ = true;
    if (clock::now() >= patience_)
        return conclude();
    if (oldest_ < newest_)
        wake();
}

void record_poll::conclude() {
    if (waits_)
        answer({.status = http::status::not_modified,
                .body = {},
                .etag = std::move(etag_),
                .token = std::move(token_)});
}

void record_poll::close(close_code code, std::string_view reason) {
    conclude();
    if (!closing_)
        answer(api_failure(code, reason));
}

} // namespace walcast
