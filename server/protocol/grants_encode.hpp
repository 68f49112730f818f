#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace walcast {

/// Messages about `grants/<user uuid>`, as far as all receivers share them; they go on behind the head of
/// v1_encode.hpp. Uuids are of characters that need no escapes.

/// The body of `snapshot`: `"record":{"count":42,"all":false}}`
[[nodiscard]] std::string encode_grants_count(std::size_t count, bool all);

/// Targets of one side of a change: how many, and the first of them.
struct encoded_targets {
    std::size_t count;
    std::span<const std::string_view> uuids;
};
/// The body of `change`:
///
///     "type":"update","record":{"gained":1,"lost":0,"gained_uuids":["…"],"lost_uuids":[],"all":false},
///     "at":"2026-…Z"}
[[nodiscard]] std::string encode_grants_change(const encoded_targets &gained, const encoded_targets &lost,
                                               bool all, std::int64_t committed_at_us);

} // namespace walcast
