#include "server/protocol/json_time.hpp"

#include <chrono>

namespace walcast {

namespace {

/// Two digits, or four, with leading zeros.
char *put(char *at, unsigned number, int digits) {
    for (int place = digits; place-- > 0; number /= 10)
        at[place] = static_cast<char>('0' + number % 10);
    return at + digits;
}

} // namespace

void append_json_time(std::string &into, std::int64_t unix_us) {
    using namespace std::chrono;
    const sys_time<microseconds> time{microseconds{unix_us}};
    const auto day = floor<days>(time);
    const year_month_day date{day};
    const hh_mm_ss<microseconds> clock{time - day};
    char text[32];
    char *at = put(text, static_cast<unsigned>(static_cast<int>(date.year())), 4);
    *at++ = '-';
    at = put(at, static_cast<unsigned>(date.month()), 2);
    *at++ = '-';
    at = put(at, static_cast<unsigned>(date.day()), 2);
    *at++ = 'T';
    at = put(at, static_cast<unsigned>(clock.hours().count()), 2);
    *at++ = ':';
    at = put(at, static_cast<unsigned>(clock.minutes().count()), 2);
    *at++ = ':';
    at = put(at, static_cast<unsigned>(clock.seconds().count()), 2);
    if (const auto fraction = static_cast<unsigned>(clock.subseconds().count()); fraction != 0) {
        *at++ = '.';
        at = put(at, fraction, 6);
        while (at[-1] == '0')
            --at;
    }
    *at++ = 'Z';
    into.push_back('"');
    into.append(text, static_cast<std::size_t>(at - text));
    into.push_back('"');
}

} // namespace walcast
