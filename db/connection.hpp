#pragma once

#include <memory>
#include <pqxx/pqxx>
#include <string>

namespace walcast {

/// Opens a libpqxx connection that stays lost when it is lost. (By itself libpqxx 6 connects anew behind the
/// caller's back; then what was notified, prepared or locked on the old connection is gone without a word.)
[[nodiscard]] std::unique_ptr<pqxx::connection> open_connection(const std::string &parameters);

/// A database may have other defaults (`alter database … set datestyle`): values as text in the forms that
/// our readers know, and the time zone that Arvados' columns are in. As a statement, and not as parameters of
/// the connection, which a pooler between us and the database may refuse. Rows of a snapshot are compared
/// with those of the stream, so both must have the same: see source_parameters.
void known_forms(pqxx::connection_base &on);

/// An error's text as one line.
[[nodiscard]] std::string one_line(std::string text);

} // namespace walcast
