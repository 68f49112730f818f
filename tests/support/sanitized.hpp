#pragma once

namespace walcast::testing {

/// Whether this is a build with AddressSanitizer: it keeps what was freed, and takes thirty times as long, so
/// that random tests do a part of their rounds there.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
inline constexpr bool sanitized = true;
#else
inline constexpr bool sanitized = false;
#endif
#else
inline constexpr bool sanitized = false;
#endif

} // namespace walcast::testing
