#include "server/watch/event_watch.hpp"

#include "server/ops/clock.hpp"
#include "server/watch/event_line.hpp"
#include "server/watch/safe_text.hpp"

#include <fmt/format.h>
#include <utility>

namespace walcast {

namespace {
/// Of a message that cannot be read, or of a refusal's words.
constexpr std::size_t most_shown = 200;
} // namespace

event_watch::event_watch(const watch_options &options, std::string shown, watch_printer &printer)
    : most_(options.count)
    , subscribe_(options, unix_microseconds())
    , shown_(std::move(shown))
    , printer_(printer) {}

std::vector<std::string> event_watch::opening() {
    subscribed_ = false;
    return {subscribe_.text(last_id_)};
}

frame_verdict event_watch::received(std::string_view text) {
    const auto frame = parse_frame(text);
    switch (frame.kind) {
    case frame_kind::idle:
        return frame_verdict::go_on;
    case frame_kind::accepted:
        accepted();
        return frame_verdict::go_on;
    case frame_kind::refused:
        failure_ =
            fmt::format("{}: the server refuses the subscription with status {}", shown_, frame.status);
        if (const auto message = text_member(frame.content, "message"); !message.empty())
            failure_ += ": " + safe_text(shortened(message, most_shown));
        return frame_verdict::stop;
    case frame_kind::unknown:
        notice("a message that is no event: " + safe_text(shortened(text, most_shown)));
        return frame_verdict::go_on;
    case frame_kind::event:
        break;
    }
    if (frame.id)
        last_id_ = frame.id;
    return print(text, frame);
}

void event_watch::accepted() {
    if (!ever_subscribed_)
        notice("subscribed to " + shown_);
    else if (last_id_)
        notice(fmt::format("subscribed again, from behind event {}", *last_id_));
    else
        notice("subscribed again; what happened meanwhile is not shown, as no event had come before");
    subscribed_ = ever_subscribed_ = true;
}

frame_verdict event_watch::print(std::string_view text, const incoming_frame &frame) {
    const auto verdict = printer_.as_json()
                             ? printer_.print_json(text)
                             : printer_.print(event_line(frame.content, printer_.style()) + '\n');
    failure_ = printer_.failure();
    if (verdict == frame_verdict::stop)
        return verdict;
    ++printed_;
    return most_ && printed_ >= *most_ ? frame_verdict::stop : frame_verdict::go_on;
}

} // namespace walcast
