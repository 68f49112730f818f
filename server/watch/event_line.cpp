#include "server/watch/event_line.hpp"

#include "server/watch/incoming_frame.hpp"
#include "server/watch/safe_text.hpp"
#include "server/watch/watch_time.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <fmt/format.h>
#include <string_view>

namespace walcast {

namespace {

using json = rapidjson::Value;

constexpr std::size_t type_width = 8;
constexpr std::size_t kind_width = 17; ///< `container_request`
constexpr std::size_t uuid_width = 27;
/// Bytes of one attribute, and of the text of an event such as `stderr`.
constexpr std::size_t most_value = 200, most_text = 4000;
/// Attributes looked at beyond those that have a wording; servers send none today.
constexpr std::size_t most_others = 64;

constexpr std::string_view arrow = " \u2192 ", ellipsis = "\u2026";

/// Attributes that have a wording of their own.
constexpr std::array<std::string_view, 6> worded{
    "state", "name", "owner_uuid", "portable_data_hash", "is_trashed", "requesting_container_uuid"};

const json null_value;

/// Puts together the parts of one line.
class line_writer {
  public:
    explicit line_writer(line_color color)
        : color_(color == line_color::on) {}

    /// A column of at least `width` characters.
    void column(std::string_view text, std::size_t width, std::string_view paint = {}) {
        const auto safe = safe_text(shortened(text, most_value));
        painted(safe, paint);
        line_.append(width - std::min(width, safe.size()) + 1, ' ');
    }
    /// A part of what follows the columns, given ready for a terminal.
    void part(std::string_view safe, std::string_view paint = {}) {
        line_ += ' ';
        painted(safe, paint);
        line_ += ' ';
    }
    [[nodiscard]] std::string finish() {
        line_.resize(line_.find_last_not_of(' ') + 1);
        return std::move(line_);
    }

  private:
    void painted(std::string_view safe, std::string_view paint) {
        if (color_ && !paint.empty() && !safe.empty())
            fmt::format_to(std::back_inserter(line_), "\033[{}m{}\033[0m", paint, safe);
        else
            line_ += safe;
    }

    bool color_;
    std::string line_;
};

constexpr std::string_view dim = "2", bold = "1";

std::string_view paint_of(std::string_view event_type) {
    return event_type == "create"   ? "32"
           : event_type == "update" ? "33"
           : event_type == "delete" ? "31"
           : event_type == "stderr" ? "35"
                                    : "36";
}

/// `arvados#containerRequest` as `container_request`.
std::string short_kind(std::string_view kind) {
    std::string made;
    for (const char letter : kind.substr(kind.find('#') + 1)) {
        if (letter >= 'A' && letter <= 'Z') {
            made += '_';
            made += static_cast<char>(letter - 'A' + 'a');
        } else {
            made += letter;
        }
    }
    return made;
}

std::string cut(std::string_view text, std::size_t most, std::string (*written)(std::string_view)) {
    const auto kept = shortened(text, most);
    return written(kept) + std::string(kept.size() < text.size() ? ellipsis : std::string_view());
}

std::string value_text(const json &value) {
    switch (value.GetType()) {
    case rapidjson::kStringType:
        return cut({value.GetString(), value.GetStringLength()}, most_value, quoted_text);
    case rapidjson::kNullType:
        return "none";
    case rapidjson::kTrueType:
        return "true";
    case rapidjson::kFalseType:
        return "false";
    case rapidjson::kNumberType:
        return value.IsInt64() ? fmt::format("{}", value.GetInt64()) : fmt::format("{}", value.GetDouble());
    case rapidjson::kObjectType:
        return "{\u2026}";
    case rapidjson::kArrayType:
        break;
    }
    return "[\u2026]";
}

/// Uuids, states and the like, without quotes.
std::string word_text(const json &value) {
    return value.IsString() ? cut({value.GetString(), value.GetStringLength()}, most_value, safe_text)
                            : value_text(value);
}

/// `1f4b0bc7583c2a7f9102c395f4ffc5e3+51` as `1f4b0bc7…+51`.
std::string hash_text(const json &value) {
    const std::string_view whole = value.IsString() ? value.GetString() : "";
    const auto plus = whole.find('+');
    if (plus != 32)
        return word_text(value);
    return cut(whole.substr(0, 8), 8, safe_text) + std::string(ellipsis) +
           cut(whole.substr(plus), 20, safe_text);
}

/// Whether two values would be shown alike. What is in arrays and objects is not shown, so only their size
/// counts, and a hostile event cannot make the comparison long or deep.
bool shown_alike(const json &one, const json &other) {
    if (one.GetType() != other.GetType())
        return false;
    if (one.IsArray())
        return one.Size() == other.Size();
    if (one.IsObject())
        return one.MemberCount() == other.MemberCount();
    return one == other;
}

/// The attributes before and after an event. An object that has just been created has none before it.
class attribute_changes {
  public:
    explicit attribute_changes(const json &properties)
        : old_(member(properties, "old_attributes"))
        , new_(member(properties, "new_attributes")) {}

    [[nodiscard]] const json &before(const char *name) const { return member(old_, name); }
    [[nodiscard]] const json &after(const char *name) const { return member(new_, name); }
    [[nodiscard]] bool both() const { return old_.IsObject() && new_.IsObject(); }
    [[nodiscard]] const json &newest() const { return new_.IsObject() ? new_ : old_; }

    [[nodiscard]] bool changed(const char *name) const {
        return both() && !shown_alike(before(name), after(name));
    }
    /// `label old → new`, or `label value` when there is only one; empty when the value is null then.
    [[nodiscard]] std::string text(const char *name, std::string_view label,
                                   std::string (*written)(const json &)) const {
        if (changed(name))
            return fmt::format("{} {}{}{}", label, written(before(name)), arrow, written(after(name)));
        const auto &value = member(newest(), name);
        return value.IsNull() ? std::string() : fmt::format("{} {}", label, written(value));
    }

  private:
    static const json &member(const json &of, const char *name) {
        if (!of.IsObject())
            return null_value;
        const auto found = of.FindMember(name);
        return found == of.MemberEnd() ? null_value : found->value;
    }

    const json &old_;
    const json &new_;
};

void write_others(line_writer &line, const attribute_changes &changes) {
    if (!changes.both())
        return;
    std::size_t looked_at = 0;
    for (const auto &member : changes.newest().GetObject()) {
        if (looked_at++ == most_others)
            return line.part(ellipsis);
        const std::string_view name(member.name.GetString(), member.name.GetStringLength());
        if (std::find(worded.begin(), worded.end(), name) != worded.end() ||
            !changes.changed(member.name.GetString()))
            continue;
        line.part(changes.text(member.name.GetString(), cut(name, most_value, safe_text), value_text));
    }
}

void write_changes(line_writer &line, const attribute_changes &changes) {
    const auto part = [&](const std::string &text) {
        if (!text.empty())
            line.part(text);
    };
    part(changes.text("state", "state", word_text));
    part(changes.text("name", "name", value_text));
    if (changes.changed("portable_data_hash") || !changes.both())
        part(changes.text("portable_data_hash", "content", hash_text));
    const auto is_true = [](const json &value) { return value.IsBool() && value.GetBool(); };
    if (changes.changed("is_trashed"))
        line.part(is_true(changes.after("is_trashed")) ? "trashed" : "untrashed");
    else if (!changes.both() &&
             is_true(changes.newest().IsObject() ? changes.after("is_trashed") : null_value))
        line.part("trashed");
    if (changes.changed("requesting_container_uuid") || !changes.both())
        part(changes.text("requesting_container_uuid", "requested by", word_text));
    write_others(line, changes);
}

} // namespace

std::string event_line(const rapidjson::Value &event, const line_style &style) {
    line_writer line(style.color);
    line.column(time_text(text_member(event, "event_at"), style.clock, style.now_us), 8, dim);
    const auto type = text_member(event, "event_type");
    line.column(type.empty() ? "-" : type, type_width, paint_of(type));
    const auto kind = short_kind(text_member(event, "object_kind"));
    line.column(kind.empty() ? "-" : kind, kind_width);
    line.column(text_member(event, "object_uuid"), uuid_width, bold);
    if (!event.IsObject())
        return line.finish();

    const auto found = event.FindMember("properties");
    const auto &properties = found == event.MemberEnd() ? null_value : found->value;
    const attribute_changes changes(properties);
    write_changes(line, changes);
    auto text = text_member(properties, "text");
    if (!text.empty()) {
        while (text.ends_with('\n') || text.ends_with('\r'))
            text.remove_suffix(1);
        line.part(cut(text, most_text, safe_text));
    }
    if (changes.changed("owner_uuid"))
        line.part(changes.text("owner_uuid", "owner", word_text));
    else if (const auto owner = text_member(event, "object_owner_uuid"); !owner.empty())
        line.part("owner " + cut(owner, most_value, safe_text), dim);
    return line.finish();
}

} // namespace walcast
