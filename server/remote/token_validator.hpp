#pragma once

#include "server/access/token_rules.hpp"
#include "server/access/verdict.hpp"
#include "server/remote/api_client.hpp"

#include <chrono>
#include <functional>
#include <string>

namespace walcast {

/// Has the Arvados API say whom a token speaks for. Controller asks the issuer if it has to, and puts what it
/// learns into the database.
class token_validator {
  public:
    using answer = std::function<void(verdict)>;

    /// An answer holds for `refresh`.
    token_validator(api_client &api, std::chrono::milliseconds refresh)
        : api_(api)
        , refresh_(refresh) {}

    /// From any thread. `then` is called on the client's thread.
    ///
    /// Only 401 and 403 make a token invalid. Whatever else is no answer, a failure of the network or of the
    /// server for instance, leaves it unknown.
    void validate(const token_claim &claim, const std::string &token, answer then);

  private:
    void ask_for_user(const token_claim &claim, const std::string &token, std::string authorization,
                      answer then);

    api_client &api_;
    std::chrono::milliseconds refresh_;
};

} // namespace walcast
