#include "server/watch/watch.hpp"

#include "server/ops/clock.hpp"
#include "server/watch/conversation.hpp"
#include "server/watch/event_watch.hpp"
#include "server/watch/reconnect_delay.hpp"
#include "server/watch/safe_text.hpp"
#include "server/watch/topic_watch.hpp"
#include "server/watch/watch_client.hpp"
#include "server/watch/watch_error.hpp"
#include "server/watch/watch_printer.hpp"
#include "server/watch/watch_words.hpp"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fmt/format.h>
#include <fstream>
#include <memory>
#include <unistd.h>

namespace walcast {

namespace {

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

/// Connects, and connects again, until it was ended. Throws when it cannot go on.
int converse(conversation &talk, const watch_url &where, certificate_check check) {
    watch_client client(where, check);
    reconnect_delay delay(static_cast<unsigned>(unix_microseconds() ^ ::getpid()));
    std::string said;
    for (;;) {
        bool done = false;
        const auto end = client.run(talk.opening(), [&](std::string_view frame) {
            const auto verdict = talk.received(frame);
            done = verdict == frame_verdict::stop;
            return verdict;
        });
        if (!talk.failure().empty())
            throw watch_error(talk.failure());
        if (end.how == ending::stopped) {
            if (!done)
                talk.interrupted();
            return talk.exit_code();
        }
        const auto why = end.how == ending::left ? talk.reason_to_leave() : end.why;
        if (end.how == ending::impossible || !talk.ever_agreed())
            throw watch_error(fmt::format("{}: {}", where.shown, why));
        if (talk.agreed())
            delay.reset();
        if (talk.agreed() || why != said) // the same failure again and again is said once
            notice(fmt::format("{}: {}; trying again until it works", where.shown, why));
        said = why;
        if (client.pause(talk.retry_after() + delay.next()) == watch_client::pause_end::stopped) {
            talk.interrupted();
            return talk.exit_code();
        }
    }
}

int watch_or_throw(const watch_options &options) {
    const auto wish = read_watch_words(options, environment("WALCAST_URL"));
    const auto token = find_token(options);
    const auto where =
        parse_watch_url(wish.url, token, wish.topics.empty() ? watch_protocol::v0 : watch_protocol::v1);
    watch_printer printer(options);
    std::unique_ptr<conversation> talk;
    if (wish.topics.empty())
        talk = std::make_unique<event_watch>(options, where.shown, printer);
    else
        talk = std::make_unique<topic_watch>(options, wish.topics, where, token, printer);
    return converse(*talk, where, options.check);
}

} // namespace

int watch(const watch_options &options) {
    std::signal(SIGPIPE, SIG_IGN); // whoever reads has seen enough: that is for print() to find out
    try {
        return watch_or_throw(options);
    } catch (const std::exception &error) {
        notice(error.what());
        return 1;
    }
}

} // namespace walcast
