#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace walcast {

/// What an unquoted YAML scalar means.
struct yaml_scalar {
    enum class kind : std::uint8_t {
        null,
        boolean,
        number,
        string,   ///< the text itself
        not_json, ///< infinity or not-a-number
    };
    kind is = kind::string;
    std::string json; ///< of null, boolean and number
};

/// YAML 1.1 as Go's reader resolves it. Times are strings.
[[nodiscard]] yaml_scalar resolve_yaml_scalar(std::string_view plain);

} // namespace walcast
