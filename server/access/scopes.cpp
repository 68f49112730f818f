#include "server/access/scopes.hpp"

#include "server/access/uuid_text.hpp"

#include <algorithm>
#include <rapidjson/document.h>

namespace walcast {

namespace {

constexpr std::string_view api = "/arvados/v1/";
constexpr std::size_t hash_digits = 32;

/// A list in YAML as Rails wrote it: `---`, then one `- item` a line, quoted or not.
std::vector<std::string> parse_yaml_list(std::string_view text) {
    std::vector<std::string> items;
    while (!text.empty()) {
        auto line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(text.size(), line.size() + 1));
        if (!line.starts_with("- "))
            continue;
        line.remove_prefix(2);
        const bool quoted = line.size() >= 2 && (line.front() == '"' || line.front() == '\'');
        if (quoted && line.back() == line.front())
            line = line.substr(1, line.size() - 2);
        items.emplace_back(line);
    }
    return items;
}

bool one_allows(std::string_view scope, std::string_view method, std::string_view path) {
    if (scope == "all")
        return true;
    const auto space = scope.find(' ');
    if (space == std::string_view::npos || scope.substr(0, space) != method)
        return false;
    const auto limit = scope.substr(space + 1);
    return limit == path || (limit.ends_with('/') && path.starts_with(limit));
}

} // namespace

std::vector<std::string> parse_scopes(std::string_view stored) {
    if (stored.starts_with("---"))
        return parse_yaml_list(stored);
    std::vector<std::string> scopes;
    rapidjson::Document document;
    document.Parse<rapidjson::kParseIterativeFlag>(stored.data(), stored.size());
    if (document.HasParseError() || !document.IsArray())
        return scopes;
    for (const auto &scope : document.GetArray())
        if (scope.IsString())
            scopes.emplace_back(scope.GetString(), scope.GetStringLength());
    return scopes;
}

bool scope_allows(const std::vector<std::string> &scopes, std::string_view method, std::string_view path) {
    if (method == "HEAD")
        method = "GET";
    if (method == "GET" && path == "/arvados/v1/api_client_authorizations/current")
        return true;
    return std::any_of(scopes.begin(), scopes.end(),
                       [&](const std::string &scope) { return one_allows(scope, method, path); });
}

std::string read_path(std::string_view uuid) {
    const bool is_hash = uuid.size() > hash_digits && uuid[hash_digits] == '+';
    const auto resource = resource_of(is_hash ? object_class::collection : class_of(uuid));
    if (resource.empty())
        return {};
    return std::string(api).append(resource).append("/").append(uuid);
}

} // namespace walcast
