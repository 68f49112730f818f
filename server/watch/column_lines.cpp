#include "server/watch/column_lines.hpp"

#include "server/watch/safe_text.hpp"
#include "server/watch/text_diff.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <iterator>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

namespace walcast {

namespace {

using json = rapidjson::Value;

/// Bytes of one value, of a line of a text, and of what is alike beside a change.
constexpr std::size_t most_value = 200, most_line = 160, most_alike = 24;
/// Lines of one column; texts that are shown whole when they change; a value that needs no line for each
/// part.
constexpr std::size_t most_places = 50, short_text = 60, short_value = 80;
/// Names are aligned up to here.
constexpr std::size_t widest_name = 28;

constexpr std::string_view arrow = " \u2192 ", ellipsis = "\u2026";
constexpr std::string_view red = "31", green = "32", dim = "2";

std::string_view text_of(const json &value) {
    return {value.GetString(), value.GetStringLength()};
}

/// On one line, cut.
std::string value_text(const json &value) {
    if (value.IsString()) {
        const auto whole = text_of(value), kept = shortened(whole, most_value);
        return kept.size() == whole.size()
                   ? quoted_text(whole)
                   : fmt::format("{}{} ({} bytes)", quoted_text(kept), ellipsis, whole.size());
    }
    rapidjson::StringBuffer buffer;
    rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
    value.Accept(writer);
    const std::string_view whole(buffer.GetString(), buffer.GetSize()), kept = shortened(whole, most_value);
    return safe_json_line(kept) + std::string(kept.size() < whole.size() ? ellipsis : std::string_view());
}

std::string_view last_part(std::string_view text, std::size_t most) {
    auto begin = text.size() - std::min(text.size(), most);
    while (begin < text.size() && (static_cast<unsigned char>(text[begin]) & 0xc0U) == 0x80)
        ++begin;
    return text.substr(begin);
}

/// Characters, for the alignment.
std::size_t width_of(std::string_view safe) {
    return static_cast<std::size_t>(std::count_if(safe.begin(), safe.end(), [](char byte) {
        return (static_cast<unsigned char>(byte) & 0xc0U) != 0x80;
    }));
}

} // namespace

std::string column_lines::painted(std::string_view safe, std::string_view paint) const {
    return color_ && !paint.empty() && !safe.empty() ? fmt::format("\033[{}m{}\033[0m", paint, safe)
                                                     : std::string(safe);
}

void column_lines::head(std::string_view at, std::string_view what, std::string_view paint,
                        std::string_view topic, std::string_view words) {
    head_ = fmt::format("{} {}{} {}", painted(at, dim), painted(what, paint),
                        std::string(8 - std::min<std::size_t>(what.size(), 8), ' '),
                        painted(safe_text(topic), "1"));
    if (!words.empty())
        head_ += "  " + safe_text(words);
}

void column_lines::state(std::string_view column, const json &value) {
    const std::string name(column);
    auto whole = value.IsObject() || value.IsArray() ? value_text(value) : std::string();
    if (whole.size() <= short_value && !whole.empty()) {
        rows_.push_back({' ', safe_text(column), std::move(whole)});
        return;
    }
    std::vector<json_difference> places;
    const bool more = find_leaves(value, name, most_places, places);
    for (const auto &place : places)
        rows_.push_back({' ', safe_text(place.path), value_text(*place.after)});
    if (more)
        words(column, "\u2026 and more");
}

void column_lines::change(std::string_view column, const json &before, const json &after) {
    std::vector<json_difference> places;
    const bool more = find_differences(before, after, std::string(column), most_places, places);
    for (const auto &place : places)
        add(place);
    if (more)
        words(column, "\u2026 and more changes");
}

void column_lines::add(const json_difference &place) {
    auto name = safe_text(place.path);
    if (place.before == nullptr)
        rows_.push_back({'+', std::move(name), painted(value_text(*place.after), green)});
    else if (place.after == nullptr)
        rows_.push_back({'-', std::move(name), painted(value_text(*place.before), red)});
    else
        rows_.push_back({' ', std::move(name), replaced(*place.before, *place.after)});
}

void column_lines::words(std::string_view column, std::string_view text) {
    rows_.push_back({' ', safe_text(column), painted(text, dim)});
}

void column_lines::sign(char sign, std::string_view text) {
    rows_.push_back({sign, painted(safe_text(text), sign == '+' ? green : sign == '-' ? red : ""), {}});
}

std::string column_lines::replaced(const json &before, const json &after) const {
    if (before.IsString() && after.IsString()) {
        const auto was = text_of(before), is = text_of(after);
        const bool lines = was.find('\n') != was.npos || is.find('\n') != is.npos;
        if (auto told = lines ? replaced_lines(was, is) : std::string(); !told.empty())
            return told;
        if (was.size() > short_text || is.size() > short_text)
            return replaced_text(was, is);
    }
    return painted(value_text(before), red) + std::string(arrow) + painted(value_text(after), green);
}

/// `"…and what is before [-it was-]{+it is+} and what is behi…" (1000 → 1001 bytes)`
std::string column_lines::replaced_text(std::string_view before, std::string_view after) const {
    const auto change = find_change(before, after);
    const auto part = [&](std::string_view text, std::string_view begin, std::string_view end,
                          std::string_view paint) {
        if (text.empty())
            return std::string();
        const auto kept = shortened(text, most_value);
        return painted(fmt::format("{}{}{}{}", begin, safe_text(kept),
                                   kept.size() < text.size() ? ellipsis : std::string_view(), end),
                       paint);
    };
    const auto head = last_part(change.head, most_alike), tail = shortened(change.tail, most_alike);
    return fmt::format("\"{}{}{}{}{}{}\" ({}{}{} bytes)", head.size() < change.head.size() ? ellipsis : "",
                       safe_text(head), part(change.before, "[-", "-]", red),
                       part(change.after, "{+", "+}", green), safe_text(tail),
                       tail.size() < change.tail.size() ? ellipsis : "", before.size(), arrow, after.size());
}

/// Empty if the lines are the same, but for the end of the last one.
std::string column_lines::replaced_lines(std::string_view before, std::string_view after) const {
    const auto changes = find_line_changes(before, after);
    if (changes.empty())
        return {};
    std::string made = fmt::format("{}{}{} bytes:", before.size(), arrow, after.size());
    std::size_t shown = 0;
    const auto line = [&](char sign, std::string_view text, std::string_view paint) {
        if (++shown > most_places)
            return;
        const auto kept = shortened(text, most_line);
        made += "\n      " + painted(fmt::format("{} {}{}", sign, safe_text(kept),
                                                 kept.size() < text.size() ? ellipsis : ""),
                                     paint);
    };
    for (const auto &change : changes) {
        line('@', fmt::format("line {}", change.line), dim);
        for (const auto text : change.before)
            line('-', text, red);
        for (const auto text : change.after)
            line('+', text, green);
    }
    return shown <= most_places ? made : made + "\n      \u2026 and more lines";
}

std::string column_lines::finish() {
    std::size_t widest = 0;
    for (const auto &one : rows_)
        if (!one.text.empty())
            widest = std::max(widest, std::min(width_of(one.name), widest_name));
    std::string made = head_ + '\n';
    for (const auto &one : rows_) {
        made += fmt::format("  {} {}", one.sign, one.name);
        if (!one.text.empty())
            made.append(widest - std::min(widest, width_of(one.name)) + 2, ' ').append(one.text);
        made += '\n';
    }
    return made;
}

} // namespace walcast
