#pragma once

#include <string_view>

namespace walcast {

/// What a message of v1 says at its beginning, as v1_encode.hpp writes it, for who carries it elsewhere than
/// in a frame. Views into the message; what it does not have is empty.
struct v1_outline {
    std::string_view op;
    std::string_view id;      ///< as a JSON string, with its quotes
    std::string_view token;   ///< of snapshot, change, live and ping
    std::string_view code;    ///< of error
    std::string_view message; ///< of error, as a JSON string
};

/// `start`: the whole message, or its head.
[[nodiscard]] v1_outline outline_of(std::string_view start);

} // namespace walcast
