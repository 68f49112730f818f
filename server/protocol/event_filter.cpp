#include "server/protocol/event_filter.hpp"

#include "server/protocol/json_scanner.hpp"
#include "server/protocol/object_kind.hpp"
#include "server/protocol/utf8.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fmt/format.h>
#include <iterator>
#include <rapidjson/document.h>
#include <rapidjson/memorystream.h>

namespace walcast {

namespace {

using json = rapidjson::Value;

std::string_view text_of_json(const json &of) {
    return {of.GetString(), of.GetStringLength()};
}

/// The parsed filters. RapidJSON 1.1 would read numbers as exactly as it must be, but with hundreds of zeros
/// behind the point also far outside of a table: so it leaves the digits to us.
class filter_document : public rapidjson::Document {
  public:
    /// False if it is no JSON, or has a number beyond the range of a double.
    bool read(std::string_view text) {
        bool good = false;
        auto parse = [&](rapidjson::Document &) {
            rapidjson::MemoryStream bytes(text.data(), text.size());
            rapidjson::EncodedInputStream<rapidjson::UTF8<>, rapidjson::MemoryStream> from(bytes);
            rapidjson::Reader reader;
            good = !reader
                        .Parse<rapidjson::kParseIterativeFlag | rapidjson::kParseNumbersAsStringsFlag>(from,
                                                                                                       *this)
                        .IsError();
            return good;
        };
        Populate(parse);
        return good;
    }

    bool RawNumber(const char *digits, rapidjson::SizeType, bool) {
        const double number = std::strtod(digits, nullptr);
        return std::isfinite(number) && Double(number);
    }
};

/// Equal values give equal bytes: object keys sorted and each only once (the last), numbers as doubles,
/// strings escaped in one way.
void append_canonical(std::string &into, const json &of) {
    switch (of.GetType()) {
    case rapidjson::kNullType:
        into.append("null");
        return;
    case rapidjson::kFalseType:
        into.append("false");
        return;
    case rapidjson::kTrueType:
        into.append("true");
        return;
    case rapidjson::kNumberType: {
        const double number = of.GetDouble();
        fmt::format_to(std::back_inserter(into), "{}", number == 0 ? 0.0 : number);
        return;
    }
    case rapidjson::kStringType:
        append_json_string(into, text_of_json(of));
        return;
    case rapidjson::kArrayType:
        into.push_back('[');
        for (const auto &element : of.GetArray()) {
            if (&element != of.Begin())
                into.push_back(',');
            append_canonical(into, element);
        }
        into.push_back(']');
        return;
    case rapidjson::kObjectType:
        break;
    }
    std::vector<const json::Member *> members;
    members.reserve(of.MemberCount());
    for (const auto &member : of.GetObject())
        members.push_back(&member);
    const auto name = [](const json::Member *member) { return text_of_json(member->name); };
    std::stable_sort(members.begin(), members.end(),
                     [&](auto *one, auto *other) { return name(one) < name(other); });
    into.push_back('{');
    bool first = true;
    for (std::size_t at = 0; at < members.size(); ++at) {
        if (at + 1 < members.size() && name(members[at]) == name(members[at + 1]))
            continue;
        if (!std::exchange(first, false))
            into.push_back(',');
        append_json_string(into, name(members[at]));
        into.push_back(':');
        append_canonical(into, members[at]->value);
    }
    into.push_back('}');
}

/// A time as a client writes it, nothing for what arvados-ws would not have understood as one either or what
/// has no date of four digits in front.
std::optional<std::int64_t> time_of(std::string_view text) {
    return text.size() >= 10 && text[4] == '-' ? parse_timestamp(text) : std::nullopt;
}

void normalize(std::vector<std::string> &values) {
    std::sort(values.begin(), values.end());
    values.erase(std::unique(values.begin(), values.end()), values.end());
    values.shrink_to_fit();
}

bool holds(const std::vector<std::string> &sorted, std::string_view text) {
    const auto found =
        std::lower_bound(sorted.begin(), sorted.end(), text,
                         [](const std::string &one, std::string_view wanted) { return one < wanted; });
    return found != sorted.end() && *found == text;
}

/// The operand of `=` and `!=`: a string, or null, which is what an empty column is sent as.
std::optional<std::vector<std::string>> single_operand(const json &operand) {
    if (operand.IsString())
        return std::vector<std::string>{std::string(text_of_json(operand))};
    if (operand.IsNull())
        return std::vector<std::string>{std::string()};
    return std::nullopt;
}

/// The operand of `in` and `not in`: a list, of which only the strings count.
std::optional<std::vector<std::string>> list_operand(const json &operand) {
    if (!operand.IsArray())
        return std::nullopt;
    std::vector<std::string> values;
    for (const auto &element : operand.GetArray())
        if (element.IsString())
            values.emplace_back(text_of_json(element));
    normalize(values);
    return values;
}

} // namespace

std::optional<event_filter> event_filter::compile(std::string_view text) {
    std::size_t deepest = 0;
    json_scanner scanner(text);
    if (!scanner.skip(scanner.next(), deepest) || deepest > max_depth)
        return std::nullopt;
    filter_document filters;
    if (!filters.read(text) || !(filters.IsNull() || filters.IsArray()))
        return std::nullopt;

    event_filter made;
    made.canonical_.clear();
    append_canonical(made.canonical_, filters);
    made.canonical_.shrink_to_fit();
    if (filters.IsNull())
        return made;
    for (const auto &condition : filters.GetArray()) {
        if (!condition.IsArray() && !condition.IsNull())
            return std::nullopt;
        if (condition.IsArray() && condition.Size() == 3 && !made.add(condition))
            return std::nullopt;
    }
    for (auto &one : made.excluded_)
        normalize(one.values); // once, not per condition: there may be a hundred thousand
    return made;
}

bool event_filter::add(const json &condition) {
    if (!condition[0].IsString() || !condition[1].IsString())
        return true;
    const auto column = text_of_json(condition[0]);
    const auto op = text_of_json(condition[1]);
    const auto &operand = condition[2];

    subject of{};
    if (column == "created_at") {
        add_time(op, operand);
        return true;
    } else if (column == "event_type") {
        of = subject::event_type;
    } else if (column == "object_uuid") {
        of = subject::object_uuid;
    } else if (column == "object_owner_uuid") {
        of = subject::object_owner_uuid;
    } else {
        return true;
    }

    if (op == "=" || op == "in") {
        if (auto values = op == "=" ? single_operand(operand) : list_operand(operand))
            require(of, std::move(*values));
    } else if (op == "!=" || op == "not in") {
        if (auto values = op == "!=" ? single_operand(operand) : list_operand(operand))
            exclude(of, std::move(*values));
    } else if (op == "is_a" && of != subject::event_type) {
        auto kinds = operand.IsString() ? single_operand(operand) : list_operand(operand);
        if (kinds)
            require(of == subject::object_uuid ? subject::object_kind : subject::object_owner_kind,
                    std::move(*kinds));
    } else if ((op == "like" || op == "ilike") && operand.IsString()) {
        if (like_.size() == max_patterns)
            return false;
        like_.push_back({of, like_pattern(text_of_json(operand),
                                          op == "like" ? letter_case::exact : letter_case::ignored)});
    }
    return true;
}

void event_filter::add_time(std::string_view op, const json &operand) {
    if (!operand.IsString())
        return;
    const auto time = time_of(text_of_json(operand));
    if (!time)
        return;
    auto &[first, last] = created_at_;
    if (op == ">=" || op == "=")
        first = std::max(first, *time);
    if (op == "<=" || op == "=")
        last = std::min(last, *time);
    if (op == ">")
        first = std::max(first, *time + 1);
    if (op == "<")
        last = std::min(last, *time - 1);
}

void event_filter::require(subject of, std::vector<std::string> values) {
    for (auto &known : required_) {
        if (known.of != of)
            continue;
        std::erase_if(known.values, [&](const std::string &value) { return !holds(values, value); });
        return;
    }
    required_.push_back({of, std::move(values)});
}

void event_filter::exclude(subject of, std::vector<std::string> values) {
    for (auto &known : excluded_) {
        if (known.of != of)
            continue;
        known.values.insert(known.values.end(), std::move_iterator(values.begin()),
                            std::move_iterator(values.end()));
        return;
    }
    excluded_.push_back({of, std::move(values)});
}

std::string_view event_filter::text_of(subject of, const event &what) {
    switch (of) {
    case subject::event_type:
        return what.event_type;
    case subject::object_uuid:
        return what.object_uuid;
    case subject::object_owner_uuid:
        return what.object_owner_uuid;
    case subject::object_kind:
        return walcast::object_kind(what.object_uuid);
    case subject::object_owner_kind:
        return walcast::object_kind(what.object_owner_uuid);
    }
    return {};
}

bool event_filter::matches(const event &what) const {
    if (what.created_at < created_at_.first || what.created_at > created_at_.last)
        return false;
    for (const auto &one : required_)
        if (!holds(one.values, text_of(one.of, what)))
            return false;
    for (const auto &one : excluded_)
        if (holds(one.values, text_of(one.of, what)))
            return false;
    return std::all_of(like_.begin(), like_.end(),
                       [&](const likeness &one) { return one.pattern.matches(text_of(one.of, what)); });
}

std::optional<std::span<const std::string>> event_filter::required(subject of) const {
    for (const auto &one : required_)
        if (one.of == of)
            return std::span<const std::string>(one.values);
    return std::nullopt;
}

std::optional<std::span<const std::string>> event_filter::required_event_types() const {
    return required(subject::event_type);
}

std::optional<std::span<const std::string>> event_filter::required_object_uuids() const {
    return required(subject::object_uuid);
}

bool event_filter::matches_nothing() const {
    return created_at_.first > created_at_.last ||
           std::any_of(required_.begin(), required_.end(),
                       [](const membership &one) { return one.values.empty(); });
}

std::size_t event_filter::footprint() const {
    std::size_t bytes = sizeof(event_filter) + canonical_.capacity();
    for (const auto *const list : {&required_, &excluded_})
        for (const auto &one : *list)
            for (const auto &value : one.values)
                bytes += sizeof(std::string) + (value.capacity() > 15 ? value.capacity() + 1 : 0);
    for (const auto &one : like_)
        bytes += sizeof(likeness) + one.pattern.footprint();
    return bytes;
}

} // namespace walcast
