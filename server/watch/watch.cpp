#include "server/watch/watch.hpp"

#include "server/ops/clock.hpp"
#include "server/watch/event_line.hpp"
#include "server/watch/incoming_frame.hpp"
#include "server/watch/reconnect_delay.hpp"
#include "server/watch/safe_text.hpp"
#include "server/watch/subscribe_frame.hpp"
#include "server/watch/watch_client.hpp"
#include "server/watch/watch_error.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fmt/format.h>
#include <fstream>
#include <unistd.h>

namespace walcast {

namespace {

/// Of a message that cannot be read, or of a refusal's words.
constexpr std::size_t most_shown = 200;

std::string_view environment(const char *name) {
    const char *value = std::getenv(name);
    return value == nullptr ? std::string_view() : value;
}

std::string trimmed(std::string_view text) {
    constexpr std::string_view space = " \t\r\n";
    const auto begin = std::min(text.find_first_not_of(space), text.size());
    return std::string(text.substr(begin, text.find_last_not_of(space) + 1 - begin));
}

std::string find_token(const watch_options &options) {
    if (!options.token.empty())
        return trimmed(options.token);
    if (options.token_file.empty())
        return trimmed(environment("ARVADOS_API_TOKEN"));
    std::ifstream file(options.token_file);
    std::string line;
    if (!std::getline(file, line) || trimmed(line).empty())
        throw watch_error(fmt::format("--token-file {}: there is no token in its first line{}",
                                      quoted_text(options.token_file),
                                      file.is_open() ? "" : ", as it cannot be opened"));
    return trimmed(line);
}

line_color choose_color(const watch_options &options) {
    if (options.output == watch_output::json || options.color == color_mode::never)
        return line_color::off;
    const bool wanted =
        options.color == color_mode::always ||
        (::isatty(STDOUT_FILENO) == 1 && environment("NO_COLOR").empty() && environment("TERM") != "dumb");
    return wanted ? line_color::on : line_color::off;
}

void notice(std::string_view text) {
    fmt::print(stderr, "walcast watch: {}\n", text);
}

/// Everything but the socket: what to subscribe to, what has come, what to print.
class watcher {
  public:
    explicit watcher(const watch_options &options)
        : options_(options)
        , color_(choose_color(options))
        , subscribe_(options, unix_microseconds())
        , where_(parse_watch_url(options.url, find_token(options)))
        , client_(where_, options.check)
        , delay_(static_cast<unsigned>(unix_microseconds() ^ ::getpid())) {}

    /// Returns when it was ended, throws when it cannot go on.
    void run() {
        std::string said;
        for (;;) {
            subscribed_ = false;
            const auto end = client_.run(subscribe_.text(last_id_),
                                         [this](std::string_view frame) { return received(frame); });
            if (!failure_.empty())
                throw watch_error(failure_);
            if (end.how == ending::stopped)
                return;
            if (end.how == ending::impossible || !ever_subscribed_)
                throw watch_error(fmt::format("{}: {}", where_.shown, end.why));
            if (subscribed_)
                delay_.reset();
            if (subscribed_ || end.why != said) // the same failure again and again is said once
                notice(fmt::format("{}: {}; trying again until it works", where_.shown, end.why));
            said = end.why;
            if (client_.pause(delay_.next()) == watch_client::pause_end::stopped)
                return;
        }
    }

  private:
    frame_verdict received(std::string_view text) {
        const auto frame = parse_frame(text);
        switch (frame.kind) {
        case frame_kind::idle:
            return frame_verdict::go_on;
        case frame_kind::accepted:
            accepted();
            return frame_verdict::go_on;
        case frame_kind::refused:
            failure_ = fmt::format("{}: the server refuses the subscription with status {}", where_.shown,
                                   frame.status);
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

    void accepted() {
        if (!ever_subscribed_)
            notice("subscribed to " + where_.shown);
        else if (last_id_)
            notice(fmt::format("subscribed again, from behind event {}", *last_id_));
        else
            notice("subscribed again; what happened meanwhile is not shown, as no event had come before");
        subscribed_ = ever_subscribed_ = true;
    }

    frame_verdict print(std::string_view text, const incoming_frame &frame) {
        auto line = options_.output == watch_output::json
                        ? safe_json_line(text)
                        : event_line(frame.content, {color_, options_.clock, unix_microseconds()});
        line += '\n';
        if (std::fwrite(line.data(), 1, line.size(), stdout) != line.size() || std::fflush(stdout) != 0) {
            if (errno != EPIPE) // whoever read has seen enough
                failure_ = fmt::format("standard output: {}", std::strerror(errno));
            return frame_verdict::stop;
        }
        ++printed_;
        return options_.count && printed_ >= *options_.count ? frame_verdict::stop : frame_verdict::go_on;
    }

    const watch_options &options_;
    line_color color_;
    subscribe_frame subscribe_;
    watch_url where_;
    watch_client client_;
    reconnect_delay delay_;
    std::optional<std::int64_t> last_id_; ///< of the event received last, which is not always the largest
    std::uint64_t printed_ = 0;
    bool subscribed_ = false; ///< on this connection
    bool ever_subscribed_ =
        false;            ///< on any: then the server, the token and the filters are as they should be
    std::string failure_; ///< why the handler stopped, if not because all is done
};

} // namespace

int watch(const watch_options &options) {
    try {
        watcher(options).run();
        return 0;
    } catch (const std::exception &error) {
        notice(error.what());
        return 1;
    }
}

} // namespace walcast
