#include "server/watch/watch_words.hpp"

#include "server/watch/safe_text.hpp"
#include "server/watch/watch_error.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace walcast {

namespace {

constexpr std::string_view local_relay = "ws://127.0.0.1:8005/websocket";
/// Topics name themselves in messages, and a name may have so many bytes.
constexpr std::size_t most_topic = 64;

void refuse(bool given, std::string_view option, std::string_view why) {
    if (given)
        throw watch_error(fmt::format("{} {}", option, why));
}

void check_options(const watch_options &options, const std::vector<std::string> &topics) {
    const auto count = [&](topic_kind kind) {
        return std::count_if(topics.begin(), topics.end(),
                             [&](const auto &topic) { return kind_of_topic(topic) == kind; });
    };
    if (topics.empty()) {
        constexpr auto why = "is for topics: walcast watch record/UUID, or events";
        refuse(!options.after.empty(), "--after", why);
        refuse(!options.select.empty(), "--select", why);
        refuse(options.latest, "--latest", why);
        refuse(options.once, "--once", why);
        return;
    }
    refuse(options.last_log_id.has_value(), "--last-log-id", "is not for topics; they go on --after a token");
    refuse(!options.since.empty(), "--since", "is not for topics; they go on --after a token");
    refuse(options.once && options.count, "--count", "cannot be beside --once");
    refuse(!options.select.empty() && count(topic_kind::record) == 0, "--select", "is for record/UUID");
    if (count(topic_kind::events) == 0) {
        constexpr auto why = "is for the topic events";
        refuse(!options.event_types.empty(), "--event-type", why);
        refuse(!options.objects.empty(), "--object", why);
        refuse(!options.kinds.empty(), "--kind", why);
        refuse(!options.owner.empty(), "--owner", why);
        refuse(!options.filters.empty(), "--filters", why);
    }
}

} // namespace

bool is_topic(std::string_view word) {
    return word == "events" || word.starts_with("record/") || word.starts_with("grants/");
}

topic_kind kind_of_topic(std::string_view topic) {
    return topic == "events"              ? topic_kind::events
           : topic.starts_with("grants/") ? topic_kind::grants
                                          : topic_kind::record;
}

watch_wish read_watch_words(const watch_options &options, std::string_view usual_url) {
    watch_wish made;
    for (const auto &word : options.words) {
        if (!is_topic(word)) {
            if (!made.url.empty())
                throw watch_error(
                    fmt::format("{} is no topic such as record/UUID, and there is a URL already",
                                quoted_text(shortened(word.substr(0, word.find_first_of("?#")), 200))));
            made.url = word;
            continue;
        }
        if (word.size() > most_topic)
            throw watch_error(quoted_text(shortened(word, most_topic)) + "… is too long for a topic");
        if (std::find(made.topics.begin(), made.topics.end(), word) == made.topics.end())
            made.topics.push_back(word);
    }
    if (made.url.empty())
        made.url = usual_url.empty() ? local_relay : usual_url;
    check_options(options, made.topics);
    return made;
}

} // namespace walcast
