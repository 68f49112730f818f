// YAML, as rows from before 2017 hold it, rewritten as JSON.

#include "server/protocol/yaml_json.hpp"

#include "server/protocol/properties.hpp"
#include "server/protocol/yaml_scalar.hpp"
#include "tests/fuzz/records.hpp"
#include "tests/fuzz/require.hpp"
#include "tests/unit/protocol/support.hpp"

using namespace walcast;
using fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    const auto text = fuzz::as_text(data, size);
    if (fuzz::may_be_zero_with_an_exponent(text))
        return 0;
    constexpr std::size_t most = 4096;
    if (const auto json = yaml_to_json(text, most)) {
        require(json->size() <= most, "it is no longer than it may be");
        require(test::valid_json(*json), "it is JSON");
    }
    std::string reduced;
    if (reduce_properties("---\n" + std::string(text), 1024, reduced) != properties_outcome::unreadable) {
        rapidjson::Document read;
        require(reduced.size() <= 1024 && test::valid_json(reduced, read) && read.IsObject(),
                "what is reduced is a JSON object that fits");
    }
    const auto scalar = resolve_yaml_scalar(text);
    if (scalar.is != yaml_scalar::kind::string && scalar.is != yaml_scalar::kind::not_json)
        require(test::valid_json(scalar.json), "a scalar is JSON");
    return 0;
}
