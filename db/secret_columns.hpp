#pragma once

#include <string>
#include <string_view>

namespace walcast {

/// Whether a column of Arvados' holds secrets. The publication leaves these columns out; but a publication
/// can be changed by anybody who owns it, and one ALTER PUBLICATION without a column list makes the server
/// send every token. So the decoder asks here as well, and drops what it is sent.
///
/// The list is that of schema/classes.yaml, and a test compares the two. It does not look at the schema's
/// name.
[[nodiscard]] bool is_secret(std::string_view table, std::string_view column);

/// The list as rows of SQL: ('api_client_authorizations', 'api_token'), …
[[nodiscard]] std::string secret_columns_sql();

} // namespace walcast
