#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace walcast {

/// A place in PostgreSQL's write-ahead log, in bytes from its beginning. Zero is "none".
struct lsn {
    std::uint64_t value = 0;

    auto operator<=>(const lsn &) const = default;
    explicit operator bool() const { return value != 0; }
};

/// As PostgreSQL writes it: two hexadecimal halves, `16/B374D848`.
[[nodiscard]] std::string to_string(lsn where);

/// The reverse of to_string; nothing when the text is not an LSN.
[[nodiscard]] std::optional<lsn> parse_lsn(std::string_view text);

/// The one total order of everything the feed carries: the commit, and the place within its transaction.
///
/// `commit` is where the commit *record begins* (pgoutput's "final LSN"), not where it ends. Both give the
/// same order, but the beginning is already known at Begin, so a transaction of any size can be handed on in
/// segments while it is still arriving.
struct position {
    lsn commit;
    std::uint32_t index = 0;

    auto operator<=>(const position &) const = default;
};

/// Behind every change of the transaction with this commit.
[[nodiscard]] constexpr position end_of(lsn commit) {
    return {commit, UINT32_MAX};
}
/// Behind every transaction whose commit record begins before this place, and before all others.
[[nodiscard]] constexpr position before(lsn at) {
    return end_of({at.value == 0 ? 0 : at.value - 1});
}

} // namespace walcast
