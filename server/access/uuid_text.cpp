#include "server/access/uuid_text.hpp"

#include <algorithm>

namespace walcast {

namespace {
struct known_class {
    std::string_view part;
    std::string_view resource;
    object_class what;
};

constexpr std::array<known_class, 12> classes{{
    {"4zz18", "collections", object_class::collection},
    {"j7d0g", "groups", object_class::group},
    {"xvhdp", "container_requests", object_class::container_request},
    {"dz642", "containers", object_class::container},
    {"7fd4e", "workflows", object_class::workflow},
    {"tpzed", "users", object_class::user},
    {"o0j2j", "links", object_class::link},
    {"gj3su", "api_client_authorizations", object_class::token},
    {"2x53u", "virtual_machines", object_class::virtual_machine},
    {"oss07", "credentials", object_class::credential},
    {"fngyi", "authorized_keys", object_class::authorized_key},
    {"bi6l4", "keep_services", object_class::keep_service},
}};
} // namespace

object_class class_of(std::string_view uuid) {
    if (uuid.size() != uuid_text::full || uuid[5] != '-' || uuid[11] != '-')
        return object_class::none;
    const auto part = uuid.substr(6, 5);
    const auto found =
        std::find_if(classes.begin(), classes.end(), [&](const auto &one) { return one.part == part; });
    return found == classes.end() ? object_class::none : found->what;
}

std::string_view resource_of(object_class what) {
    const auto found =
        std::find_if(classes.begin(), classes.end(), [&](const auto &one) { return one.what == what; });
    return found == classes.end() ? std::string_view() : found->resource;
}

} // namespace walcast
