#include "server/remote/token_validator.hpp"

#include "server/access/remote_token.hpp"
#include "server/ops/clock.hpp"

#include <utility>

namespace walcast {

namespace {

constexpr const char *authorization_path = "/arvados/v1/api_client_authorizations/current";
constexpr const char *user_path = "/arvados/v1/users/current";

constexpr unsigned ok = 200, unauthorized = 401, forbidden = 403;

verdict without_answer(unsigned status) {
    return status == unauthorized || status == forbidden ? verdict::invalid() : verdict{};
}

} // namespace

void token_validator::validate(const token_claim &claim, const std::string &token, answer then) {
    api_.get(authorization_path, token, [this, claim, token, then = std::move(then)](api_answer got) {
        if (got.status != ok)
            return then(without_answer(got.status));
        ask_for_user(claim, token, std::move(got.body), then);
    });
}

void token_validator::ask_for_user(const token_claim &claim, const std::string &token,
                                   std::string authorization, answer then) {
    auto judge = [this, claim, authorization = std::move(authorization),
                  then = std::move(then)](const api_answer &got) {
        // A token whose scopes do not allow this request is good all the same: any token may ask what it is
        // itself, and was told so above.
        if (got.status != ok && got.status != forbidden)
            return then(without_answer(got.status));
        const auto now = unix_microseconds();
        auto who = principal_of_answers(claim, authorization, got.status == ok ? got.body : std::string(),
                                        now, now + std::chrono::microseconds(refresh_).count());
        if (!who)
            return then({}); // not what an Arvados API says
        then({.is = verdict::finding::valid, .who = std::move(*who)});
    };
    api_.get(user_path, token, std::move(judge));
}

} // namespace walcast
