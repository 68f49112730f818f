#include "server/protocol/v1_request.hpp"

#include "server/protocol/json_scanner.hpp"
#include "server/protocol/json_text.hpp"
#include "server/protocol/utf8.hpp"

#include <array>
#include <cstdint>
#include <fmt/format.h>
#include <utility>

namespace walcast {

namespace {

enum class member_key : std::uint8_t { op, id, topic, token, snapshot, after, select, filters, latest };
constexpr std::array<std::string_view, 9> key_names{"op",    "id",     "topic",   "token", "snapshot",
                                                    "after", "select", "filters", "latest"};

constexpr std::size_t max_column_bytes = 63; // PostgreSQL's names are no longer

constexpr std::string_view message_rule = "a message is one JSON object, in UTF-8, and nothing else";
constexpr std::string_view op_rule = R"("op" must be "auth", "subscribe", "unsubscribe" or "pong")";

/// Where a value stands in the message. One that is absent reads as null.
struct member {
    json_token kind = json_token::null;
    std::string_view bytes = "null";
    bool irregular = false; ///< holds half a surrogate pair, bytes that are no UTF-8, or a number too large
};
using members = std::array<member, key_names.size()>;

std::optional<std::size_t> key_of(std::string_view token) {
    constexpr std::size_t longest = 8;
    auto name = token.substr(1, token.size() - 2);
    std::string decoded;
    if (name.size() > longest * 6)
        return std::nullopt;
    if (name.find('\\') != name.npos)
        name = decoded = decode_json_string(token);
    for (std::size_t key = 0; key < key_names.size(); ++key)
        if (name == key_names[key])
            return key;
    return std::nullopt;
}

std::optional<members> read_members(std::string_view message) {
    json_scanner scanner(message);
    if (scanner.next() != json_token::object_begin)
        return std::nullopt;
    members found;
    std::size_t deepest = 0;
    for (;;) {
        const auto token = scanner.next();
        if (token == json_token::object_end)
            break;
        if (token != json_token::key)
            return std::nullopt;
        const auto key = scanner.irregular() ? std::nullopt : key_of(scanner.token());
        const auto kind = scanner.next();
        const auto begin = scanner.begin();
        if (!scanner.skip(kind, deepest))
            return std::nullopt;
        if (key)
            found[*key] = {kind, message.substr(begin, scanner.end() - begin), scanner.irregular()};
    }
    return scanner.next() == json_token::end ? std::optional(found) : std::nullopt;
}

/// A string's characters, if they are no more bytes than this.
std::optional<std::string> short_text(std::string_view token, std::size_t most) {
    if (token.size() > 2 + most * 6)
        return std::nullopt;
    auto text = decode_json_string(token);
    return text.size() <= most ? std::optional(std::move(text)) : std::nullopt;
}

/// Reads members as what they should be. Goes on after the first that is not, with something harmless, and
/// remembers what was wrong with that one.
class member_reader {
  public:
    explicit member_reader(const members &of)
        : of_(of) {}

    [[nodiscard]] bool is(member_key key, std::string_view text) const {
        const auto &found = at(key);
        return found.kind == json_token::string && !found.irregular && json_string_is(found.bytes, text);
    }

    std::string name(member_key key, std::size_t most) {
        auto text = found_name(key, most);
        if (!text)
            refuse(key, fmt::format("a string of 1 to {} bytes", most));
        return std::move(text).value_or(std::string());
    }

    /// The same, if it is one.
    [[nodiscard]] std::optional<std::string> found_name(member_key key, std::size_t most) const {
        const auto &found = at(key);
        if (found.kind != json_token::string || found.irregular)
            return std::nullopt;
        auto text = short_text(found.bytes, most);
        return text && !text->empty() ? std::move(text) : std::nullopt;
    }

    std::string text(member_key key) {
        const auto &found = at(key);
        if (found.kind == json_token::string && !found.irregular)
            return decode_json_string(found.bytes);
        refuse(key, "a string");
        return {};
    }

    std::optional<std::string> optional_text(member_key key) {
        if (absent(key))
            return std::nullopt;
        return text(key);
    }

    bool flag(member_key key, bool otherwise) {
        if (absent(key))
            return otherwise;
        if (at(key).kind != json_token::boolean)
            refuse(key, "true or false");
        return at(key).bytes == "true";
    }

    std::optional<std::vector<std::string>> optional_columns(member_key key) {
        if (absent(key))
            return std::nullopt;
        std::vector<std::string> columns;
        json_scanner scanner(at(key).bytes);
        auto token = scanner.next();
        bool good = token == json_token::array_begin && !at(key).irregular;
        while (good && (token = scanner.next()) != json_token::array_end) {
            auto column =
                token == json_token::string ? short_text(scanner.token(), max_column_bytes) : std::nullopt;
            good = column && !column->empty() && columns.size() < v1_subscribe::max_columns;
            if (good)
                columns.push_back(std::move(*column));
        }
        if (!good || columns.empty())
            refuse(key, fmt::format("a list of 1 to {} names of columns", v1_subscribe::max_columns));
        return columns;
    }

    std::string filters(member_key key) {
        const auto &found = at(key);
        if (found.irregular)
            refuse(key,
                   "free of halves of surrogate pairs, of bytes that are no UTF-8 and of numbers beyond a "
                   "double");
        else if (found.kind != json_token::array_begin && !absent(key))
            refuse(key, "a list of conditions");
        return std::string(found.bytes);
    }

    [[nodiscard]] const std::string &why_not() const { return why_not_; }

  private:
    [[nodiscard]] const member &at(member_key key) const { return of_[static_cast<std::size_t>(key)]; }
    [[nodiscard]] bool absent(member_key key) const { return at(key).kind == json_token::null; }

    void refuse(member_key key, std::string_view rule) {
        if (why_not_.empty())
            why_not_ = fmt::format(R"("{}" must be {})", key_names[static_cast<std::size_t>(key)], rule);
    }

    const members &of_;
    std::string why_not_;
};

v1_request read_request(member_reader &reader) {
    using enum member_key;
    if (reader.is(op, "subscribe")) {
        v1_subscribe made;
        made.id = reader.name(id, v1_subscribe::max_id_bytes);
        made.topic = reader.name(topic, v1_subscribe::max_topic_bytes);
        made.snapshot = reader.flag(snapshot, true);
        made.after = reader.optional_text(after);
        made.select = reader.optional_columns(select);
        made.filters = reader.filters(filters);
        made.latest = reader.flag(latest, false);
        return made;
    }
    if (reader.is(op, "unsubscribe"))
        return v1_unsubscribe{reader.name(id, v1_subscribe::max_id_bytes)};
    if (reader.is(op, "auth"))
        return v1_auth{reader.text(token)};
    if (reader.is(op, "pong"))
        return v1_nothing{};
    return v1_bad_request{{}, std::string(op_rule)};
}

} // namespace

v1_request parse_v1_request(std::string_view message) {
    if (message.empty())
        return v1_nothing{};
    const auto found = read_members(message);
    if (!found)
        return v1_bad_request{{}, std::string(message_rule)};
    member_reader reader(*found);
    auto request = read_request(reader);
    const auto *const bad = std::get_if<v1_bad_request>(&request);
    if (bad == nullptr && reader.why_not().empty())
        return request;
    return v1_bad_request{
        reader.found_name(member_key::id, v1_subscribe::max_id_bytes).value_or(std::string()),
        bad != nullptr ? bad->why : reader.why_not()};
}

std::string v1_subscribe_text(std::string_view id, std::string_view topic, std::string_view options,
                              std::string_view after) {
    std::string made = R"({"op":"subscribe","id":)";
    append_json_string(made, id);
    append_json_string(made.append(R"(,"topic":)"), topic);
    made.append(options);
    if (!after.empty())
        append_json_string(made.append(R"(,"after":)"), after);
    return made + "}";
}

} // namespace walcast
