#include "server/access/remote_token.hpp"

#include "server/feed/value.hpp"

#include <algorithm>
#include <rapidjson/document.h>
#include <string>

namespace walcast {

namespace {

rapidjson::Document parse(std::string_view json) {
    rapidjson::Document document;
    document.Parse<rapidjson::kParseIterativeFlag>(json.data(), json.size());
    if (document.HasParseError() || !document.IsObject())
        document.SetObject();
    return document;
}

std::string text_of(const rapidjson::Document &from, const char *key) {
    const auto at = from.FindMember(key);
    return at != from.MemberEnd() && at->value.IsString()
               ? std::string(at->value.GetString(), at->value.GetStringLength())
               : std::string();
}

bool flag_of(const rapidjson::Document &from, const char *key) {
    const auto at = from.FindMember(key);
    return at != from.MemberEnd() && at->value.IsBool() && at->value.GetBool();
}

bool has_infix(const std::string &uuid, std::string_view infix) {
    return uuid.size() == 27 && std::string_view(uuid).substr(5, 7) == infix;
}

} // namespace

std::optional<principal> principal_of_answers(const token_claim &claim, std::string_view authorization,
                                              std::string_view user, std::int64_t now_us,
                                              std::int64_t refreshes_at_us) {
    const auto token = parse(authorization);
    const auto owner = parse(user);
    principal who;
    who.token_uuid = text_of(token, "uuid");
    who.user_uuid = user.empty() ? text_of(token, "owner_uuid") : text_of(owner, "uuid");
    if (!has_infix(who.token_uuid, "-gj3su-") || !has_infix(who.user_uuid, "-tpzed-") ||
        (claim.how == token_claim::form::v2 && claim.uuid != who.token_uuid))
        return std::nullopt;
    who.is_admin = flag_of(owner, "is_admin");
    who.is_active = flag_of(owner, "is_active");
    if (const auto scopes = token.FindMember("scopes");
        scopes != token.MemberEnd() && scopes->value.IsArray())
        for (const auto &scope : scopes->value.GetArray())
            if (scope.IsString())
                who.scopes.emplace_back(scope.GetString(), scope.GetStringLength());
    if (const auto expires = text_of(token, "expires_at"); !expires.empty()) {
        const auto at = parse_timestamp(expires);
        if (!at)
            return std::nullopt;
        who.expires_at = *at;
    }
    who.refreshes_at = refreshes_at_us;
    if (!who.alive(now_us))
        return std::nullopt;
    return who;
}

} // namespace walcast
