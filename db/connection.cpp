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

void known_forms(pqxx::connection_base &on) {
    pqxx::nontransaction in(on);
    in.exec("SELECT pg_catalog.set_config('datestyle', 'ISO', false),"
            " pg_catalog.set_config('intervalstyle', 'postgres', false),"
            " pg_catalog.set_config('timezone', 'UTC', false),"
            " pg_catalog.set_config('extra_float_digits', '1', false),"
            " pg_catalog.set_config('bytea_output', 'hex', false),"
            " pg_catalog.set_config('client_encoding', 'UTF8', false)");
}

std::string one_line(std::string text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == ' '))
        text.pop_back();
    std::replace(text.begin(), text.end(), '\n', ' ');
    return text;
}

} // namespace walcast
