#pragma once

#include <memory>
#include <pqxx/pqxx>
#include <string>

namespace walcast {

/// Opens a libpqxx connection that stays lost when it is lost. (By itself libpqxx 6 connects anew behind the
/// caller's back; then what was notified, prepared or locked on the old connection is gone without a word.)
[[nodiscard]] std::unique_ptr<pqxx::connection> open_connection(const std::string &parameters);

/// An error's text as one line.
[[nodiscard]] std::string one_line(std::string text);

} // namespace walcast
