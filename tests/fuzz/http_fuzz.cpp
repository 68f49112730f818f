// Bytes to the port, before there is a WebSocket. The records are the pieces in which they are sent.

#include "tests/fuzz/records.hpp"
#include "tests/fuzz/require.hpp"
#include "tests/fuzz/shard_fixture.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

using namespace walcast;
using fuzz::require;

namespace {

namespace http = boost::beast::http;

/// Takes one answer from the front, and looks at it; ends the program if it is none. The answer to HEAD says
/// how long the body would be, and has none: then the next answer follows at once.
void take_answer(std::string_view &from) {
    constexpr std::array<unsigned, 10> known{200, 304, 400, 401, 403, 404, 405, 413, 431, 503};
    http::response_parser<http::string_body> parser;
    parser.skip(true);
    boost::system::error_code error;
    const auto used = parser.put(boost::asio::buffer(from.data(), from.size()), error);
    require(!error && parser.is_header_done(), "the server answers in HTTP");
    from.remove_prefix(used);
    require(std::find(known.begin(), known.end(), parser.get().result_int()) != known.end(),
            "the status is a known one");
    const auto length =
        parser.content_length_remaining() ? parser.content_length_remaining() : parser.content_length();
    if (parser.get().result_int() == 304)
        return;
    require(length.has_value(), "the length of the body is said");
    if (!from.empty() && !from.starts_with("HTTP/1.")) {
        require(from.size() >= *length, "the body is whole");
        from.remove_prefix(*length);
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    std::vector<std::string> pieces;
    for (const auto one : fuzz::split_records(fuzz::as_text(data, size)))
        pieces.emplace_back(one);
    const auto whole = fuzz::talk(pieces);
    std::string_view got = whole;
    require(got.find(fuzz::management_token) == got.npos, "the token is never repeated");
    while (!got.empty()) {
        const auto head = got.substr(0, got.find("\r\n\r\n"));
        require(head.starts_with("HTTP/1."), "an answer begins as one");
        if (head.find(" 101 ") != head.npos)
            return 0; // websocket_fuzz goes on from here
        if (head.find("text/event-stream") != head.npos)
            return 0; // nothing follows
        take_answer(got);
    }
    return 0;
}
