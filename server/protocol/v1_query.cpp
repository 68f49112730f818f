#include "server/protocol/v1_query.hpp"

#include "server/protocol/json_scanner.hpp"
#include "server/protocol/query.hpp"
#include "server/protocol/resume_token.hpp"
#include "server/protocol/stream_place.hpp"
#include "server/protocol/utf8.hpp"
#include "server/protocol/v1_request.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <utility>

namespace walcast {

namespace {

bool is_json_list(std::string_view text) {
    json_scanner scanner(text);
    const auto first = scanner.next();
    std::size_t deepest = 0;
    return first == json_token::array_begin && scanner.skip(first, deepest) &&
           scanner.next() == json_token::end;
}

/// `["a","b"]` as it is, `a,b` as that.
std::string columns_as_json(const std::string &written) {
    if (written.starts_with('['))
        return written;
    std::string json = "[";
    for (std::size_t at = 0; at <= written.size();) {
        const auto end = std::min(written.find(',', at), written.size());
        json.append(json.size() > 1 ? "," : "")
            .append(json_string(std::string_view(written).substr(at, end - at)));
        at = end + 1;
    }
    return json + "]";
}

/// Takes parameters as what they should be, one after the other; remembers the first problem.
class parameter_reader {
  public:
    void list(std::string_view key, const std::string &json) {
        if (is_json_list(json))
            option(key, json);
        else
            refuse(fmt::format("{} must be a list in JSON", key));
    }
    void flag(std::string_view key, std::string_view value) {
        if (value == "true" || value == "1")
            option(key, "true");
        else if (value == "false" || value == "0")
            option(key, "false");
        else
            refuse(fmt::format("{} must be true or false", key));
    }
    void number(std::string_view key, std::string_view value, std::uint32_t &into) {
        const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), into);
        if (error != std::errc() || end != value.data() + value.size())
            refuse(fmt::format("{} must be a number of seconds", key));
    }
    void refuse(std::string why, v1_error code = v1_error::bad_request) {
        if (!problem)
            problem = {code, std::move(why)};
    }
    /// Has v1 look at what is made of it.
    void check(std::string_view message) {
        const auto read = parse_v1_request(message);
        if (const auto *bad = std::get_if<v1_bad_request>(&read))
            refuse(bad->why);
    }

    std::string options;
    std::optional<v1_query_problem> problem;

  private:
    void option(std::string_view key, std::string_view json) {
        options.append(",\"").append(key).append("\":").append(json);
    }
};

} // namespace

std::string v1_stream_query::subscribe(std::size_t topic, std::string_view token) const {
    return v1_subscribe_text(topics[topic], topics[topic], options, token);
}

std::uint64_t v1_stream_query::hash() const {
    return stable_hash(fmt::format("{}\n{}", fmt::join(topics, "\n"), options));
}

std::string v1_latest_query::subscribe(std::string_view id, std::string_view token) const {
    return v1_subscribe_text(id, "record/" + uuid, options, token);
}

std::variant<v1_stream_query, v1_query_problem> parse_stream_query(std::string_view target) {
    v1_stream_query made;
    parameter_reader reader;
    for (auto &[name, value] : query_parameters(target)) {
        if (value.empty())
            continue;
        if (name == "topic") {
            if (value.size() > v1_subscribe::max_id_bytes)
                reader.refuse("there is no such topic", v1_error::unknown_topic);
            else if (!is_utf8(value))
                reader.refuse("topic must be UTF-8");
            else if (std::find(made.topics.begin(), made.topics.end(), value) != made.topics.end())
                reader.refuse("a topic is named twice");
            else if (made.topics.size() == stream_place::most_topics)
                reader.refuse(fmt::format("a stream has {} topics at most", stream_place::most_topics),
                              v1_error::too_many_subscriptions);
            else
                made.topics.push_back(std::move(value));
        } else if (name == "select") {
            reader.list(name, columns_as_json(value));
        } else if (name == "filters") {
            reader.list(name, value);
        } else if (name == "snapshot" || name == "latest") {
            reader.flag(name, value);
        } else if (name == "after") {
            made.after = std::move(value);
        }
    }
    made.options = std::move(reader.options);
    if (made.topics.empty())
        reader.refuse("topic is missing: topic=record/<uuid>, topic=events");
    else if (!reader.problem)
        reader.check(made.subscribe(0, {}));
    if (reader.problem)
        return *std::move(reader.problem);
    return made;
}

std::variant<v1_latest_query, v1_query_problem> parse_latest_query(std::string_view target) {
    v1_latest_query made;
    parameter_reader reader;
    made.uuid = percent_decode(path_of(target).substr(latest_path.size()));
    if (made.uuid.empty() || made.uuid.size() > v1_subscribe::max_id_bytes || !is_utf8(made.uuid))
        reader.refuse("this is no uuid of an object", v1_error::unknown_topic);
    for (auto &[name, value] : query_parameters(target)) {
        if (value.empty())
            continue;
        if (name == "select")
            reader.list(name, columns_as_json(value));
        else if (name == "wait")
            reader.number(name, value, made.wait_s);
        else if (name == "after")
            made.after = std::move(value);
    }
    made.options = std::move(reader.options);
    if (!reader.problem)
        reader.check(made.subscribe("r", {}));
    if (reader.problem)
        return *std::move(reader.problem);
    return made;
}

} // namespace walcast
