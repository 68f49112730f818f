#include "db/migrate_error.hpp"

namespace walcast {

namespace {
/// What follows `label:` and blanks; labels are translated, but all have this form.
std::string_view without_label(std::string_view line) {
    const auto colon = line.find(":  ");
    return colon == std::string_view::npos ? line : line.substr(colon + 3);
}
} // namespace

std::string one_line(std::string_view postgresql_message) {
    const auto first_end = postgresql_message.find('\n');
    std::string line(without_label(postgresql_message.substr(0, first_end)));
    const auto hint = postgresql_message.find("\nHINT:  ");
    if (hint != std::string_view::npos) {
        const auto text = postgresql_message.substr(hint + 1);
        line.append(" (").append(without_label(text.substr(0, text.find('\n')))).append(")");
    }
    return line;
}

} // namespace walcast
