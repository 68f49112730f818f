#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace walcast {

/// Rewrites the first document of a YAML text as JSON, as Go's YAML reader (which arvados-ws uses)
/// understands it: YAML 1.1, so `yes` is true, `0x10` is 16 and `1_000` is 1000; times stay strings, unknown
/// tags are ignored, `!!binary` is decoded. Merge keys are not known. Equal keys are kept, the last one
/// counts.
///
/// Nothing when the text is not YAML, holds what JSON cannot (infinity, a mapping as a key), nests too deeply
/// for the parser, or when its JSON is longer than `max_bytes`: aliases make a short text long. Runs in time
/// and memory proportional to the text and `max_bytes`. Never throws but for lack of memory.
[[nodiscard]] std::optional<std::string> yaml_to_json(std::string_view yaml, std::size_t max_bytes);

} // namespace walcast
