#include "server/watch/record_text.hpp"

#include "server/watch/column_lines.hpp"
#include "server/watch/incoming_frame.hpp"
#include "server/watch/watch_time.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <utility>

namespace walcast {

namespace {

using json = rapidjson::Value;

const json null_value;

std::string_view name_of(const json::Member &member) {
    return {member.name.GetString(), member.name.GetStringLength()};
}

const json &member(const json &of, std::string_view name) {
    if (!of.IsObject())
        return null_value;
    const auto found = of.FindMember(json(rapidjson::StringRef(name.data(), name.size())));
    return found == of.MemberEnd() ? null_value : found->value;
}

bool has(const json &of, std::string_view name) {
    return of.IsObject() && of.HasMember(json(rapidjson::StringRef(name.data(), name.size())));
}

/// Whether an array of names has this one.
bool lists(const json &names, std::string_view name) {
    return names.IsArray() && std::any_of(names.Begin(), names.End(), [&](const json &one) {
               return one.IsString() && std::string_view(one.GetString(), one.GetStringLength()) == name;
           });
}

std::string_view paint_of(std::string_view what) {
    return what == "insert" || what == "restored" ? "32"
           : what == "update"                     ? "33"
           : what == "delete"                     ? "31"
           : what == "state"                      ? "36"
                                                  : "35";
}

std::string now(const line_style &style) {
    return time_text(style.now_us, style.clock, style.now_us);
}

std::string committed(const json &message, const line_style &style) {
    return time_text(text_member(message, "at"), style.clock, style.now_us);
}

void add_columns(column_lines &lines, const json &record) {
    if (record.IsObject())
        for (const auto &column : record.GetObject())
            lines.state(name_of(column), column.value);
}

void add_changes(column_lines &lines, const json &message, const json &known) {
    const auto &record = member(message, "record");
    if (!record.IsObject())
        return;
    const auto &old = member(message, "old"), &changed = member(message, "changed");
    for (const auto &column : record.GetObject()) {
        const auto name = name_of(column);
        if (has(known, name))
            lines.change(name, member(known, name), column.value);
        else if (has(old, name))
            lines.change(name, member(old, name), column.value);
        else if (!changed.IsArray() || lists(changed, name)) // what it was is not known to anybody
            lines.state(name, column.value);
    }
}

struct meaning {
    std::string_view reason, words;
};

constexpr std::array meanings{
    meaning{"expired", "what was committed since is not kept any more"},
    meaning{"epoch", "another database, or its changes could not be followed for a while"},
    meaning{"timeline", "the database has been promoted or restored since"},
    meaning{"ahead", "the token is ahead of this server, or the database was restored to an earlier state"},
    meaning{"schema", "the table has other columns"},
    meaning{"filter", "the token is of another topic, other columns or other filters"},
    meaning{"auth", "the token is of another user, or of another server"},
    meaning{"lagging", "this was too slow for too long"},
    meaning{"permission", "it may not be read any more"},
    meaning{"token", "the API token is not good any more"},
};

} // namespace

std::string state_text(std::string_view topic, const json &record, const line_style &style) {
    column_lines lines(style.color);
    lines.head(now(style), "state", paint_of("state"), topic, record.IsObject() ? "" : "there is none");
    add_columns(lines, record);
    return lines.finish();
}

std::string change_text(std::string_view topic, const json &message, const json &known,
                        const line_style &style) {
    column_lines lines(style.color);
    const auto type = text_member(message, "type");
    if (type == "insert")
        add_columns(lines, member(message, "record"));
    else if (type != "delete")
        add_changes(lines, message, known);
    if (const auto &unchanged = member(message, "unchanged"); unchanged.IsArray())
        for (const auto &name : unchanged.GetArray())
            if (name.IsString())
                lines.words({name.GetString(), name.GetStringLength()},
                            "unchanged, and too large to be in the log");
    const bool bare = lines.empty() && type == "update";
    const auto shown = type == "insert" || type == "update" || type == "delete" ? type : "change";
    lines.head(committed(message, style), shown, paint_of(type), topic,
               bare ? "nothing in these columns is another" : "");
    return lines.finish();
}

std::string grants_text(std::string_view topic, const json &message, const line_style &style) {
    column_lines lines(style.color);
    lines.head(committed(message, style), "update", paint_of("update"), topic);
    const auto &record = member(message, "record");
    for (const auto &[sign, count, uuids] :
         {std::tuple('+', "gained", "gained_uuids"), std::tuple('-', "lost", "lost_uuids")}) {
        if (const auto &number = member(record, count); number.IsUint64() && number.GetUint64() > 0)
            lines.words(count, fmt::to_string(number.GetUint64()));
        if (const auto &list = member(record, uuids); list.IsArray())
            for (const auto &uuid : list.GetArray())
                if (uuid.IsString())
                    lines.sign(sign, {uuid.GetString(), uuid.GetStringLength()});
    }
    return lines.finish();
}

std::string incident_text(std::string_view topic, std::string_view op, std::string_view reason,
                          const line_style &style) {
    column_lines lines(style.color);
    const auto *const found = std::find_if(meanings.begin(), meanings.end(),
                                           [&](const meaning &one) { return one.reason == reason; });
    const auto words = found == meanings.end() ? std::string(reason.substr(0, 64))
                                               : fmt::format("{}: {}", reason, found->words);
    lines.head(now(style), op, paint_of(op), topic, op == "restored" ? "it may be read again" : words);
    return lines.finish();
}

} // namespace walcast
