#include "server/watch/subscribe_frame.hpp"

#include "server/feed/value.hpp"
#include "server/protocol/event_filter.hpp"
#include "server/protocol/object_kind.hpp"
#include "server/protocol/utf8.hpp"
#include "server/watch/safe_text.hpp"
#include "server/watch/watch_error.hpp"

#include <algorithm>
#include <charconv>
#include <ctime>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <iterator>

namespace walcast {

namespace {

constexpr std::int64_t second_us = 1'000'000;

/// Letters and digits only, in lower case: `containerRequest`, `container_request` and `Container-Request`
/// are one.
std::string bare(std::string_view name) {
    std::string made;
    for (const char c : name)
        if (c != '_' && c != '-' && c != ' ')
            made += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return made;
}

std::string full_kind(std::string_view wanted) {
    constexpr std::string_view prefix = "arvados#";
    std::string known;
    for (const auto kind : object_kinds()) {
        const auto name = kind.substr(prefix.size());
        if (bare(wanted) == bare(name) || bare(wanted) == bare(kind))
            return std::string(kind);
        known += fmt::format("{}{}", known.empty() ? "" : ", ", name);
    }
    throw watch_error(
        fmt::format("--kind {}: there is no such kind; there are {}", quoted_text(wanted), known));
}

std::string json_list(const std::vector<std::string> &values) {
    std::string made;
    for (const auto &value : values)
        made.append(made.empty() ? "" : ",").append(json_string(value));
    return '[' + made + ']';
}

/// What is within the brackets of the option `--filters`.
std::string_view raw_conditions(std::string_view json) {
    constexpr std::string_view space = " \t\r\n";
    const auto begin = json.find_first_not_of(space);
    if (begin == std::string_view::npos)
        return {};
    if (json[begin] != '[' || !event_filter::compile(json))
        throw watch_error(
            "--filters is no JSON list of conditions such as [[\"event_type\",\"in\",[\"create\"]]]");
    const auto end = json.find_last_of(']');
    auto inner = json.substr(begin + 1, end - begin - 1);
    inner.remove_prefix(std::min(inner.find_first_not_of(space), inner.size()));
    return inner;
}

} // namespace

std::optional<std::string> parse_since(std::string_view text, std::int64_t now_us) {
    constexpr std::int64_t most = 1'000'000'000;
    std::int64_t number = 0;
    const auto *const last = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data(), last, number);
    if (error == std::errc{} && end + 1 == last && number >= 0 && number <= most) {
        const std::int64_t unit = *end == 's'   ? 1
                                  : *end == 'm' ? 60
                                  : *end == 'h' ? 3600
                                  : *end == 'd' ? 86'400
                                                : 0;
        const auto then = now_us / second_us - number * unit;
        if (unit == 0 || then < 0)
            return std::nullopt;
        return fmt::format("{:%Y-%m-%dT%H:%M:%S}Z", fmt::gmtime(static_cast<std::time_t>(then)));
    }
    const bool dated = text.size() >= 10 && text[4] == '-';
    return dated && parse_timestamp(text) ? std::optional(std::string(text)) : std::nullopt;
}

subscribe_frame::subscribe_frame(const watch_options &options, std::int64_t now_us) {
    const auto add = [this](std::string_view column, std::string_view op, const std::string &operand) {
        filters_ += fmt::format(R"({}["{}","{}",{}])", filters_.empty() ? "" : ",", column, op, operand);
    };
    if (!options.event_types.empty())
        add("event_type", "in", json_list(options.event_types));
    if (!options.objects.empty())
        add("object_uuid", "in", json_list(options.objects));
    if (!options.owner.empty())
        add("object_owner_uuid", "=", json_string(options.owner));
    if (!options.kinds.empty()) {
        std::vector<std::string> kinds;
        std::transform(options.kinds.begin(), options.kinds.end(), std::back_inserter(kinds), full_kind);
        add("object_uuid", "is_a", json_list(kinds));
    }
    if (!options.since.empty()) {
        const auto time = parse_since(options.since, now_us);
        if (!time)
            throw watch_error(fmt::format("--since {}: no time such as \"2026-01-31 12:00:00\" (UTC), "
                                          "2026-01-31T12:00:00+01:00, 90s, 10m, 2h or 7d",
                                          quoted_text(options.since)));
        add("created_at", ">=", json_string(*time));
        beginning_ = 1; // a replay of everything that the condition lets through
    }
    if (const auto raw = raw_conditions(options.filters); !raw.empty())
        filters_.append(filters_.empty() ? "" : ",").append(raw);
    filters_ = '[' + filters_ + ']';
    if (options.last_log_id)
        beginning_ = options.last_log_id;
}

std::string subscribe_frame::text(std::optional<std::int64_t> received) const {
    const auto after = received ? received : beginning_;
    return after ? fmt::format(R"({{"method":"subscribe","filters":{},"last_log_id":{}}})", filters_, *after)
                 : fmt::format(R"({{"method":"subscribe","filters":{}}})", filters_);
}

} // namespace walcast
