#pragma once

#include "server/watch/watch_options.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace walcast {

enum class topic_kind : std::uint8_t {
    record, ///< `record/<uuid>`
    events, ///< `events`
    grants, ///< `grants/<user uuid>`
};

/// What a word of the command line names, unless it is a URL.
[[nodiscard]] bool is_topic(std::string_view word);
[[nodiscard]] topic_kind kind_of_topic(std::string_view topic);

/// The words behind `walcast watch`, told apart.
struct watch_wish {
    std::string url;
    std::vector<std::string> topics; ///< each once; none: events by protocol v0
};

/// `usual_url` stands in for one that is not given, if it is not empty itself. Throws watch_error when there
/// are two URLs, or when an option means nothing beside these topics: it would be ignored otherwise.
[[nodiscard]] watch_wish read_watch_words(const watch_options &options, std::string_view usual_url);

} // namespace walcast
