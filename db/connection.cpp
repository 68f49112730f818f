#include "db/connection.hpp"

#include <algorithm>

namespace walcast {

std::unique_ptr<pqxx::connection> open_connection(const std::string &parameters) {
    auto made = std::make_unique<pqxx::connection>(parameters);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations" // because version 7 behaves like this always
    made->inhibit_reactivation(true);
#pragma GCC diagnostic pop
    return made;
}

std::string one_line(std::string text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == ' '))
        text.pop_back();
    std::replace(text.begin(), text.end(), '\n', ' ');
    return text;
}

} // namespace walcast
