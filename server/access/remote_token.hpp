#pragma once

#include "server/access/principal.hpp"
#include "server/access/token_rules.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace walcast {

/// Who a token speaks for, from what the Arvados API says about it to the token's own bearer:
/// `api_client_authorizations/current`, and `users/current`, which is empty if the token's scopes do not
/// allow to ask for it; then its user has no rights beyond those of the user's uuid. Nothing if these are not
/// the answers to that token, or if they say that it has expired. Must be asked again at `refreshes_at`.
[[nodiscard]] std::optional<principal> principal_of_answers(const token_claim &claim,
                                                            std::string_view authorization,
                                                            std::string_view user, std::int64_t now_us,
                                                            std::int64_t refreshes_at_us);

} // namespace walcast
