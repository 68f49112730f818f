#include "db/secret_columns.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <utility>

namespace walcast {

namespace {
using name = std::pair<std::string_view, std::string_view>;
constexpr std::array secrets{name{"api_client_authorizations", "api_token"},
                             name{"container_requests", "runtime_token"},
                             name{"container_requests", "secret_mounts"},
                             name{"containers", "runtime_token"},
                             name{"containers", "secret_mounts"},
                             name{"containers", "secret_mounts_md5"},
                             name{"credentials", "secret"}};
} // namespace

bool is_secret(std::string_view table, std::string_view column) {
    return std::find(secrets.begin(), secrets.end(), name{table, column}) != secrets.end();
}

std::string secret_columns_sql() {
    std::string made;
    for (const auto &[table, column] : secrets)
        made += fmt::format("{}('{}', '{}')", made.empty() ? "" : ", ", table, column);
    return made;
}

} // namespace walcast
