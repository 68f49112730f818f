#include "server/watch/incoming_frame.hpp"

#include "server/protocol/json_scanner.hpp"

namespace walcast {

namespace {
/// Deeper nesting is nothing that a server sends, and costs RapidJSON memory for each level.
constexpr std::size_t most_depth = 1000;

bool is_shallow_json(std::string_view text) {
    json_scanner scanner(text);
    std::size_t deepest = 0;
    return scanner.skip(scanner.next(), deepest) && deepest <= most_depth;
}
} // namespace

rapidjson::Document parse_object(std::string_view text) {
    rapidjson::Document made;
    if (is_shallow_json(text))
        made.Parse<rapidjson::kParseIterativeFlag>(text.data(), text.size());
    if (made.HasParseError() || !made.IsObject())
        made.SetNull();
    return made;
}

incoming_frame parse_frame(std::string_view text) {
    incoming_frame made;
    made.content = parse_object(text);
    const auto &content = made.content;
    if (!content.IsObject())
        return made;
    if (content.MemberCount() == 0) {
        made.kind = frame_kind::idle;
    } else if (const auto status = content.FindMember("status");
               status != content.MemberEnd() && status->value.IsInt64()) {
        made.status = status->value.GetInt64();
        made.kind = made.status == 200 ? frame_kind::accepted : frame_kind::refused;
    } else if (content.HasMember("id") || content.HasMember("event_type") ||
               content.HasMember("object_uuid")) {
        made.kind = frame_kind::event;
        if (const auto id = content.FindMember("id"); id != content.MemberEnd() && id->value.IsInt64())
            made.id = id->value.GetInt64();
    }
    return made;
}

std::string_view text_member(const rapidjson::Value &object, const char *name) {
    if (!object.IsObject())
        return {};
    const auto found = object.FindMember(name);
    if (found == object.MemberEnd() || !found->value.IsString())
        return {};
    return {found->value.GetString(), found->value.GetStringLength()};
}

} // namespace walcast
