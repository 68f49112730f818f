// Small things that people and programs write: times, sizes, URLs, positions, uuids, tokens.

#include "server/access/token_rules.hpp"
#include "server/config_text.hpp"
#include "server/feed/position.hpp"
#include "server/feed/value.hpp"
#include "server/listen_url.hpp"
#include "server/protocol/object_kind.hpp"
#include "server/protocol/query.hpp"
#include "server/protocol/utf8.hpp"
#include "server/watch/safe_text.hpp"
#include "server/watch/watch_error.hpp"
#include "server/watch/watch_url.hpp"
#include "tests/fuzz/records.hpp"
#include "tests/fuzz/require.hpp"
#include "tests/unit/protocol/support.hpp"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <memory>

using namespace walcast;
using fuzz::require;

namespace {

void check_configuration(std::string_view text) {
    if (const auto duration = parse_duration(text))
        require(parse_duration(to_duration_text(*duration)) == duration, "a time is read as it is shown");
    if (const auto bytes = parse_byte_size(text))
        require(parse_byte_size(to_byte_size_text(*bytes)) == bytes, "a size is read as it is shown");
    if (const auto at = parse_listen_url(text)) {
        const bool v6 = at->host.find(':') != std::string::npos;
        const auto again = parse_listen_url(fmt::format("{}://{}{}{}:{}/", at->tls ? "https" : "http",
                                                        v6 ? "[" : "", at->host, v6 ? "]" : "", at->port));
        require(again == at || at->host.find_first_not_of("0123456789abcdefABCDEF.%") == at->host.npos,
                "an address is read as it is shown");
    }
    static_cast<void>(closest_name(text.substr(0, 64), {"Slot", "Shards", "Source", "FeedBytes"}));
}

/// libpq reads a connection string as the parameters that were written into it.
void check_connection_string(std::string_view text) {
    const auto value = std::string(text.substr(0, text.find('\0')));
    if (value.empty())
        return;
    char *problem = nullptr;
    const auto written = connection_string({{"password", value}, {"user", value}});
    const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> read(
        PQconninfoParse(written.c_str(), &problem), &PQconninfoFree);
    require(read != nullptr, "libpq reads it");
    for (const auto *option = read.get(); option->keyword != nullptr; ++option)
        if (option->val != nullptr)
            require(option->val == value, "a parameter is read as it was");
}

void check_feed(std::string_view text) {
    if (const auto at = parse_lsn(text))
        require(parse_lsn(to_string(*at)) == at, "a position is read as it is shown");
    for (const auto kind : {value_kind::text, value_kind::binary}) {
        const value of{kind, text};
        for (const auto type : {pg_type::int2, pg_type::int4, pg_type::int8, pg_type::jsonb, pg_type::text}) {
            static_cast<void>(to_integer(of, type));
            static_cast<void>(to_text(of, type));
        }
        static_cast<void>(to_boolean(of));
        for (const auto type : {pg_type::timestamp, pg_type::timestamptz, pg_type::text})
            static_cast<void>(to_unix_microseconds(of, type));
    }
    if (is_portable_data_hash(text))
        require(object_kind(text) == "arvados#collection", "a portable data hash is a collection");
}

void check_token(std::string_view text) {
    const token_settings settings{"zzzzz", "rootroot"};
    const auto claim = parse_token(text, settings);
    require((claim.how == token_claim::form::system_root) == (text == settings.system_root_token),
            "SystemRootToken alone is SystemRootToken");
    require(text.size() <= max_token_bytes || claim.how == token_claim::form::nothing,
            "a long token is none");
    token_row row;
    row.uuid = claim.uuid;
    row.secret = claim.secret;
    row.scopes = text;
    row.user_uuid = "zzzzz-tpzed-000000000000000";
    static_cast<void>(judge_token(claim, row, settings, 0));
    row.scopes = R"(["all"])";
    row.secret += "x";
    require(!judge_token(claim, row, settings, 0), "another secret speaks for nobody");
}

void check_terminal(std::string_view text) {
    for (const auto &shown : {safe_text(text), quoted_text(text)}) {
        for (const char one : shown)
            require(static_cast<unsigned char>(one) >= 0x20 && one != 0x7f, "nothing controls the terminal");
        require(shown.find("\xc2\x9b") == shown.npos, "nor does C1");
        std::string json;
        append_json_string(json, shown);
        require(json.find(replacement_character) == json.npos ||
                    shown.find(replacement_character) != shown.npos,
                "it is UTF-8");
    }
    // As in json_fuzz: RapidJSON reads more than JSON.
    if (text.find('\0') == text.npos && !text.empty() && text.front() >= 0 &&
        !fuzz::may_be_zero_with_an_exponent(text) && test::valid_json(text)) {
        const auto line = safe_json_line(text);
        require(line.find('\n') == line.npos, "it is one line");
        require(test::valid_json(line), "and still JSON");
    }
    constexpr std::string_view token = "secretsecretsecret";
    try {
        const auto url = parse_watch_url(text, token);
        require(url.shown.find(token) == url.shown.npos || text.find(token) != text.npos,
                "a URL is shown without its token");
        require(url.target.find_first_of("\r\n ") == url.target.npos, "a target is one word");
    } catch (const watch_error &) {
        return;
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    const auto text = fuzz::as_text(data, size);
    check_configuration(text);
    check_connection_string(text);
    check_feed(text);
    check_token(text);
    check_terminal(text);
    if (const auto found = query_parameter(text, "api_token"))
        require(found->size() <= text.size(), "decoding does not lengthen");
    return 0;
}
