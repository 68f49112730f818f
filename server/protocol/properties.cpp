#include "server/protocol/properties.hpp"

#include "server/protocol/json_scanner.hpp"
#include "server/protocol/json_text.hpp"
#include "server/protocol/utf8.hpp"
#include "server/protocol/yaml_json.hpp"

#include <algorithm>
#include <array>
#include <optional>

namespace walcast {

namespace {

/// Sorted, as arvados-ws sends them.
constexpr std::array<std::string_view, 6> attribute_names{
    "is_trashed", "name", "owner_uuid", "portable_data_hash", "requesting_container_uuid", "state"};
constexpr std::string_view truncated_mark = R"("truncated":true)";
/// What the keys, commas and brackets of two full sets of attributes take, and the mark.
constexpr std::size_t attributes_overhead = 400;
/// Values nested deeper than this are not passed on: Python's parser, for one, gives up at 1,000 levels, and
/// anybody may post a row.
constexpr std::size_t max_depth = 200;
/// JSON made from YAML may be this long before it is cut down.
constexpr std::size_t max_yaml_json = 8 * max_yaml_bytes;

/// One of old_attributes and new_attributes: where the values stand; an absent one is empty.
struct attributes {
    bool present = false;
    std::array<std::string_view, attribute_names.size()> values;
};

/// What was found in one JSON object; all views are into its text.
struct outline {
    json_token kind = json_token::error; ///< of the whole text
    bool irregular = false;
    bool has_text = false;
    bool too_deep = false; ///< somewhere in the whole
    bool cut = false;      ///< an attribute is null because it was too deep
    std::string_view whole, text;
    attributes before, after; ///< old_attributes, new_attributes
};

/// Walks once through a JSON text and notes what will be sent of it.
class outliner {
  public:
    explicit outliner(std::string_view json)
        : json_(json)
        , scanner_(json) {}

    outline run() {
        outline made;
        const auto kind = scanner_.next();
        const auto begin = scanner_.begin();
        made.irregular = scanner_.irregular();
        const bool good = kind == json_token::object_begin ? members(made) : scanner_.skip(kind, deepest_);
        made.whole = json_.substr(begin, scanner_.end() - begin);
        made.too_deep = deepest_ > max_depth;
        if (good && scanner_.next() == json_token::end)
            made.kind = kind;
        return made;
    }

  private:
    bool members(outline &into) {
        for (auto token = scanner_.next(); token != json_token::object_end; token = scanner_.next()) {
            if (token != json_token::key)
                return false;
            into.irregular |= scanner_.irregular();
            const auto key = scanner_.token();
            const bool is_text = json_string_is(key, "text");
            auto *const set = is_text                                 ? nullptr
                              : json_string_is(key, "old_attributes") ? &into.before
                              : json_string_is(key, "new_attributes") ? &into.after
                                                                      : nullptr;
            const auto kind = scanner_.next();
            const auto begin = scanner_.begin();
            if (set != nullptr)
                *set = {};
            if (set != nullptr && kind == json_token::object_begin) {
                if (!attribute_members(*set, into))
                    return false;
            } else {
                if (!scanner_.skip(kind, deepest_))
                    return false;
                into.irregular |= scanner_.irregular();
            }
            if (is_text) {
                into.has_text = true;
                into.text = json_.substr(begin, scanner_.end() - begin);
            }
        }
        return true;
    }

    bool attribute_members(attributes &into, outline &whole) {
        into.present = true;
        for (auto token = scanner_.next(); token != json_token::object_end; token = scanner_.next()) {
            if (token != json_token::key)
                return false;
            whole.irregular |= scanner_.irregular();
            const auto key = scanner_.token();
            const auto *const name = std::find_if(attribute_names.begin(), attribute_names.end(),
                                                  [key](auto one) { return json_string_is(key, one); });
            const auto kind = scanner_.next();
            const auto begin = scanner_.begin();
            std::size_t depth = 0;
            if (!scanner_.skip(kind, depth))
                return false;
            deepest_ = std::max(deepest_, depth);
            whole.irregular |= scanner_.irregular();
            if (name == attribute_names.end())
                continue;
            const bool deep = depth > max_depth;
            whole.cut |= deep;
            into.values[static_cast<std::size_t>(name - attribute_names.begin())] =
                deep ? "null" : json_.substr(begin, scanner_.end() - begin);
        }
        return true;
    }

    std::string_view json_;
    json_scanner scanner_;
    std::size_t deepest_ = 0;
};

/// Appends a JSON string, or as much of it as `room` bytes hold: never half a character or half an escape.
void append_cut(std::string &into, std::string_view string, std::size_t room) {
    if (string.size() <= room) {
        into.append(string);
        return;
    }
    std::size_t at = 1;
    for (;;) {
        const auto rest = string.substr(at);
        std::size_t unit = 1;
        if (rest.front() == '\\') {
            // A high surrogate and the low one after it are one character.
            const bool high = rest.starts_with("\\ud") || rest.starts_with("\\uD");
            const bool pair =
                high && rest.size() >= 12 && std::string_view("89abAB").find(rest[3]) != rest.npos;
            unit = rest[1] != 'u' ? 2 : pair ? 12 : 6;
        } else {
            unit = std::max<std::size_t>(utf8_length(rest), 1);
        }
        if (at + unit + 1 > room)
            break;
        at += unit;
    }
    into.append(string, 0, at).push_back('"');
}

properties_outcome append_with_text(const outline &of, std::size_t max_bytes, std::string &into) {
    if (of.whole.size() <= max_bytes && !of.too_deep) {
        into.append(of.whole);
        return properties_outcome::complete;
    }
    const auto before = of.whole.substr(0, static_cast<std::size_t>(of.text.data() - of.whole.data()));
    auto after = of.whole.substr(before.size() + of.text.size());
    after.remove_suffix(1);
    const auto others = before.size() + after.size() + truncated_mark.size() + sizeof ",}";
    const bool keep_others = others <= max_bytes / 2 && !of.too_deep;
    const auto room = max_bytes - (keep_others ? others : truncated_mark.size() + sizeof R"({"text":,})");
    into.append(keep_others ? before : R"({"text":)");
    if (of.text.front() == '"')
        append_cut(into, of.text, room);
    else
        into.append(of.text.size() <= room && !of.too_deep ? of.text : "null");
    if (keep_others)
        into.append(after);
    into.append(",").append(truncated_mark).append("}");
    return properties_outcome::truncated;
}

std::size_t length(const attributes &of) {
    std::size_t bytes = 0;
    for (const auto value : of.values)
        bytes += value.size();
    return bytes;
}

/// `"name":{…}`, with values of at most `room` bytes each.
void append_attributes(std::string &into, std::string_view name, const attributes &of, std::size_t room) {
    if (!of.present)
        return;
    into.append(into.back() == '{' ? "\"" : ",\"").append(name).append("\":{");
    for (std::size_t at = 0; at < of.values.size(); ++at) {
        const auto value = of.values[at];
        if (value.empty())
            continue;
        into.append(into.back() == '{' ? "\"" : ",\"").append(attribute_names[at]).append("\":");
        if (value.front() == '"')
            append_cut(into, value, room);
        else
            into.append(value.size() <= room ? value : "null");
    }
    into.push_back('}');
}

properties_outcome append_reduced(const outline &of, std::size_t max_bytes, std::string &into) {
    const bool fits = length(of.before) + length(of.after) + attributes_overhead <= max_bytes;
    const auto room = fits ? max_bytes : (max_bytes - attributes_overhead) / (2 * attribute_names.size());
    into.push_back('{');
    append_attributes(into, "new_attributes", of.after, room);
    append_attributes(into, "old_attributes", of.before, room);
    const bool cut = !fits || of.cut;
    if (cut)
        into.append(into.back() == '{' ? "" : ",").append(truncated_mark);
    into.push_back('}');
    return cut ? properties_outcome::truncated : properties_outcome::complete;
}

/// Whether a string found where an object should be is tried as the text of one.
enum class encoded : std::uint8_t { once, perhaps_twice };

properties_outcome reduce(std::string_view text, encoded how, std::size_t max_bytes, std::string &into) {
    auto found = text.starts_with("---") ? outline{} : outliner(text).run();
    std::string rewritten;
    if (found.kind == json_token::error) {
        if (text.size() > max_yaml_bytes)
            return properties_outcome::unreadable;
        auto json = yaml_to_json(text, max_yaml_json);
        if (!json)
            return properties_outcome::unreadable;
        rewritten = std::move(*json);
        found = outliner(rewritten).run();
    } else if (found.irregular) {
        rewritten = regular_json(text);
        found = outliner(rewritten).run();
    }
    switch (found.kind) {
    case json_token::object_begin:
        return found.has_text ? append_with_text(found, max_bytes, into)
                              : append_reduced(found, max_bytes, into);
    case json_token::null:
        into.append("{}");
        return properties_outcome::complete;
    case json_token::string:
        if (how == encoded::perhaps_twice)
            return reduce(decode_json_string(found.whole), encoded::once, max_bytes, into);
        return properties_outcome::unreadable;
    default:
        return properties_outcome::unreadable;
    }
}

} // namespace

properties_outcome reduce_properties(std::string_view text, std::size_t max_bytes, std::string &into) {
    if (text.empty()) {
        into.append("{}");
        return properties_outcome::complete;
    }
    return reduce(text, encoded::perhaps_twice, max_bytes, into);
}

} // namespace walcast
