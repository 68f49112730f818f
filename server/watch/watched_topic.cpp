#include "server/watch/watched_topic.hpp"

#include "server/protocol/v1_request.hpp"

#include <utility>

namespace walcast {

watched_topic::watched_topic(std::string name, std::string wishes, std::string after)
    : name_(std::move(name))
    , kind_(kind_of_topic(name_))
    , wishes_(std::move(wishes))
    , token_(std::move(after)) {}

std::string watched_topic::subscribe() {
    is_ = standing::asked;
    return v1_subscribe_text(name_, name_, wishes_, token_);
}

void watched_topic::reached(std::string_view token) {
    if (!token.empty())
        token_ = token;
}

void watched_topic::keep(const rapidjson::Value &record, const rapidjson::Value *unchanged) {
    rapidjson::Document made;
    made.CopyFrom(record, made.GetAllocator());
    if (made.IsObject() && record_.IsObject() && unchanged != nullptr && unchanged->IsArray())
        for (const auto &name : unchanged->GetArray()) {
            if (!name.IsString() || made.HasMember(name))
                continue;
            if (const auto known = record_.FindMember(name); known != record_.MemberEnd())
                made.AddMember(rapidjson::Value(name, made.GetAllocator()),
                               rapidjson::Value(known->value, made.GetAllocator()), made.GetAllocator());
        }
    record_ = std::move(made);
}

} // namespace walcast
