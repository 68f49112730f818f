#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace walcast {

/// The scopes of a token, as Arvados stores them: JSON, or YAML in rows from before 2017. What is neither is
/// no scope at all, with which nothing is allowed.
[[nodiscard]] std::vector<std::string> parse_scopes(std::string_view stored);

/// Whether a token that is limited to these scopes may make this request: `all` allows everything, `GET /a/b`
/// allows that, `GET /a/` all below it, and HEAD is a GET. A token may always ask what it is itself.
[[nodiscard]] bool scope_allows(const std::vector<std::string> &scopes, std::string_view method,
                                std::string_view path);

/// The path of the request that reads an object, which is what a token must be allowed to do to see events
/// about it: `/arvados/v1/collections/<uuid>`. A portable data hash is a collection. Empty if the uuid is of
/// no known class: then there is no such request.
///
/// For a delete event the object is gone, and the request is for its owner: a user or a group.
[[nodiscard]] std::string read_path(std::string_view uuid);

} // namespace walcast
