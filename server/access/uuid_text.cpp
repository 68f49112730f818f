#include "server/access/uuid_text.hpp"

#include <algorithm>

namespace walcast {

namespace {
struct known_class {
    std::string_view part;
    std::string_view resource;
    object_class what;
};

constexpr std::array<known_class, 14> classes{{
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
    {"gv0sa", "user_agreements", object_class::user_agreement},
    {"57u5n", "logs", object_class::log},
}};

// A key for content: a mark, the MD5 in 16 bytes, the size as it is written.
constexpr char content_mark = '\1';
constexpr std::size_t md5_digits = 32;
constexpr std::size_t most_size_digits = uuid_text::full - 1 - md5_digits / 2;

// A key for who manages a user: the uuid, with a mark where its first hyphen was.
constexpr char managers_mark = '\2';
constexpr std::size_t mark_place = 5;

int digit_of(char one) {
    if (one >= '0' && one <= '9')
        return one - '0';
    if (one >= 'a' && one <= 'f')
        return one - 'a' + 10;
    return -1;
}
} // namespace

uuid_text content_key(std::string_view hash) {
    hash = hash.substr(0, hash.find('+', md5_digits + 1)); // without hints
    if (hash.size() <= md5_digits + 1 || hash.size() > md5_digits + 1 + most_size_digits ||
        hash[md5_digits] != '+')
        return {};
    std::string key(1, content_mark);
    for (std::size_t at = 0; at < md5_digits; at += 2) {
        const int high = digit_of(hash[at]), low = digit_of(hash[at + 1]);
        if (high < 0 || low < 0)
            return {};
        key += static_cast<char>(high * 16 + low);
    }
    for (const char one : hash.substr(md5_digits + 1)) {
        if (one < '0' || one > '9')
            return {};
        key += one;
    }
    return uuid_text(key);
}

std::string content_hash(const uuid_text &key) {
    constexpr std::string_view digits = "0123456789abcdef";
    const auto text = key.view();
    if (text.size() <= 1 + md5_digits / 2 || text[0] != content_mark)
        return {};
    std::string made;
    for (const char one : text.substr(1, md5_digits / 2)) {
        made += digits[static_cast<unsigned char>(one) >> 4];
        made += digits[static_cast<unsigned char>(one) & 15];
    }
    return made + "+" + std::string(text.substr(1 + md5_digits / 2));
}

uuid_text managers_key(std::string_view user) {
    if (class_of(user) != object_class::user)
        return {};
    std::string key(user);
    key[mark_place] = managers_mark;
    return uuid_text(key);
}

uuid_text managed_user(const uuid_text &key) {
    std::string user(key.view());
    if (user.size() != uuid_text::full || user[mark_place] != managers_mark)
        return {};
    user[mark_place] = '-';
    return class_of(user) == object_class::user ? uuid_text(user) : uuid_text();
}

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

object_class class_of_resource(std::string_view resource) {
    const auto found = std::find_if(classes.begin(), classes.end(),
                                    [&](const auto &one) { return one.resource == resource; });
    return found == classes.end() ? object_class::none : found->what;
}

} // namespace walcast
