// The scanner of JSON against RapidJSON, and what mends a text that is JSON but for its characters.

#include "server/protocol/json_scanner.hpp"

#include "server/protocol/json_text.hpp"
#include "server/protocol/utf8.hpp"
#include "tests/fuzz/records.hpp"
#include "tests/fuzz/require.hpp"
#include "tests/unit/protocol/support.hpp"

#include <rapidjson/document.h>

using namespace walcast;
using fuzz::require;

namespace {

struct scan {
    bool good = false;
    bool irregular = false;
};

scan scan_all(std::string_view text) {
    scan made;
    json_scanner scanner(text);
    std::size_t before = 0;
    for (;;) {
        const auto token = scanner.next();
        if (token == json_token::error) {
            require(scanner.next() == json_token::error, "an error stays one");
            return made;
        }
        require(scanner.begin() >= before && scanner.begin() <= scanner.end() && scanner.end() <= text.size(),
                "tokens stand one behind the other");
        if (token == json_token::end) {
            require(scanner.depth() == 0, "all is closed at the end");
            made.good = true;
            return made;
        }
        before = scanner.end();
        made.irregular |= scanner.irregular();
        if ((token == json_token::string || token == json_token::key) && !scanner.irregular()) {
            const auto decoded = decode_json_string(scanner.token());
            std::string again;
            append_json_string(again, decoded);
            require(decode_json_string(again) == decoded, "a string that is written is read as it was");
        }
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    const auto text = fuzz::as_text(data, size);
    const auto found = scan_all(text);
    // RapidJSON takes a zero for the end of the text, and passes over any byte of a byte order mark at its
    // beginning.
    const bool comparable = text.find('\0') == text.npos && (text.empty() || text.front() >= 0);
    const bool valid = comparable && test::valid_json(text);
    if (valid)
        require(found.good,
                "what RapidJSON reads is JSON"); // it takes half a pair of surrogates for a character
    const bool readable = !fuzz::may_be_zero_with_an_exponent(text);
    if (found.good && !found.irregular && readable)
        require(test::valid_json(text), "what is regular is read by RapidJSON");
    if (found.good) {
        const auto mended = regular_json(text);
        require(!readable || test::valid_json(mended), "what was mended is read by RapidJSON");
        require(regular_json(mended) == mended, "there is nothing more to mend");
        json_scanner whole(text);
        std::size_t deepest = 0;
        require(whole.skip(whole.next(), deepest), "what can be walked through can be skipped");
    }
    std::string string;
    append_json_string(string, text);
    require(test::valid_json(string), "any bytes become a string");
    return 0;
}
