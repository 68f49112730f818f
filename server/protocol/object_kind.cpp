#include "server/protocol/object_kind.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace walcast {

namespace {

/// The class parts, sorted (facts of Arvados' discovery document).
constexpr std::array<std::pair<std::string_view, std::string_view>, 14> kinds{{
    {"2x53u", "arvados#virtualMachine"},
    {"4zz18", "arvados#collection"},
    {"57u5n", "arvados#log"},
    {"7fd4e", "arvados#workflow"},
    {"bi6l4", "arvados#keepService"},
    {"dz642", "arvados#container"},
    {"fngyi", "arvados#authorizedKey"},
    {"gj3su", "arvados#apiClientAuthorization"},
    {"gv0sa", "arvados#userAgreement"},
    {"j7d0g", "arvados#group"},
    {"o0j2j", "arvados#link"},
    {"oss07", "arvados#credential"},
    {"tpzed", "arvados#user"},
    {"xvhdp", "arvados#containerRequest"},
}};
static_assert(std::is_sorted(kinds.begin(), kinds.end()));

} // namespace

std::string_view object_kind(std::string_view uuid) {
    if (uuid.size() == 27 && uuid[5] == '-' && uuid[11] == '-') {
        const auto part = uuid.substr(6, 5);
        const auto found =
            std::lower_bound(kinds.begin(), kinds.end(), part,
                             [](const auto &kind, std::string_view wanted) { return kind.first < wanted; });
        return found != kinds.end() && found->first == part ? found->second : std::string_view();
    }
    return is_portable_data_hash(uuid) ? "arvados#collection" : std::string_view();
}

std::vector<std::string_view> object_kinds() {
    std::vector<std::string_view> made;
    for (const auto &kind : kinds)
        made.push_back(kind.second);
    return made;
}

bool is_portable_data_hash(std::string_view text) {
    constexpr std::size_t hash = 32;
    if (text.size() < hash + 2 || text[hash] != '+')
        return false;
    const auto hexadecimal = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
    if (!std::all_of(text.begin(), text.begin() + hash, hexadecimal))
        return false;
    const auto rest = text.substr(hash + 1);
    const auto size = rest.substr(0, rest.find('+'));
    return !size.empty() &&
           std::all_of(size.begin(), size.end(), [](char c) { return c >= '0' && c <= '9'; });
}

} // namespace walcast
