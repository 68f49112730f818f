#include "server/protocol/server_sent_event.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace walcast {

std::string event_head(std::string_view name, std::string_view id) {
    std::string made;
    made.reserve(name.size() + id.size() + 32);
    return made.append("event: ").append(name).append("\nid: ").append(id).append("\ndata: ");
}

std::string event_retry(unsigned milliseconds) {
    return fmt::format("retry: {}\n", milliseconds);
}

std::string on_one_line(std::string_view json) {
    if (json.find('\n') == std::string_view::npos && json.find('\r') == std::string_view::npos)
        return {};
    std::string line(json);
    std::replace_if(
        line.begin(), line.end(), [](char each) { return each == '\n' || each == '\r'; }, ' ');
    return line;
}

} // namespace walcast
