#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace walcast {

enum class color_mode : std::uint8_t {
    automatic, ///< on a terminal, unless NO_COLOR is set
    always,    ///< whatever NO_COLOR says
    never,
};

enum class watch_clock : std::uint8_t { local, utc };

enum class watch_output : std::uint8_t {
    lines, ///< for people
    json,  ///< the messages as they came, one per line
};

enum class certificate_check : std::uint8_t {
    verified, ///< chain and name, as a browser does
    anything, ///< whoever answers is believed
};

/// What `walcast watch` was asked for, as it stands on the command line: not yet checked.
struct watch_options {
    std::vector<std::string> words; ///< topics of protocol v1, if any, and a URL, if any
    std::string token;              ///< never printed; if empty, the next; then $ARVADOS_API_TOKEN
    std::string token_file;         ///< its first line is the token

    std::vector<std::string> event_types; ///< any of them
    std::vector<std::string> objects;     ///< uuids, any of them
    std::string owner;                    ///< a uuid
    std::vector<std::string> kinds;       ///< such as `container_request`, any of them
    std::string filters;                  ///< further conditions, JSON: [[column, operator, operand], …]

    std::optional<std::int64_t> last_log_id; ///< go on after this event
    std::string since;                       ///< go on from this time, or from so long ago: `10m`
    std::optional<std::uint64_t> count;      ///< end after so many events, or changes

    std::vector<std::string> select; ///< columns of records; none: all
    std::string after;               ///< a token: the changes since instead of the state
    bool latest = false;             ///< while this is slow, the newest state is enough
    bool once = false;               ///< end when the state is there

    watch_output output = watch_output::lines;
    watch_clock clock = watch_clock::local;
    color_mode color = color_mode::automatic;
    certificate_check check = certificate_check::verified;
};

} // namespace walcast
