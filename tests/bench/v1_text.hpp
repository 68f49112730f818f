#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <fmt/format.h>

namespace walcast::bench {

/// What a benchmark needs of protocol v1: what it sends, and a look at what comes, without parsing all of it.

/// The object with this number; collections, because a record of theirs is of ordinary size.
[[nodiscard]] inline std::string record_uuid(std::size_t number) {
    return fmt::format("zzzzz-4zz18-{:015}", number);
}

/// `more` are further members, each with its comma.
[[nodiscard]] inline std::string subscribe_to(std::size_t number, std::string_view more = {}) {
    return fmt::format(R"({{"op":"subscribe","id":"{}","topic":"record/{}"{}}})", number, record_uuid(number),
                       more);
}

[[nodiscard]] inline bool is_op(std::string_view message, std::string_view op) {
    constexpr std::string_view head = R"({"op":")";
    return message.size() > head.size() + op.size() && message.starts_with(head) &&
           message.substr(head.size(), op.size()) == op && message[head.size() + op.size()] == '"';
}

/// The value of the first string member with this name; empty if there is none. Of values without escapes.
[[nodiscard]] inline std::string_view text_of(std::string_view message, std::string_view name) {
    const std::string key = fmt::format(R"("{}":")", name);
    const auto at = message.find(key);
    if (at == std::string_view::npos)
        return {};
    const auto rest = message.substr(at + key.size());
    return rest.substr(0, rest.find('"'));
}

} // namespace walcast::bench
