#pragma once

#include "server/feed/position.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace walcast {

/// What a resume token says: where its owner is in the stream, and what makes that valid.
struct resume_point {
    std::uint64_t system_identifier = 0; ///< of the database cluster
    std::uint32_t timeline = 0;
    position at;                    ///< everything up to here has been sent
    std::uint64_t subscription = 0; ///< hash of topic, filters and projection; 0: any of the same subject
    std::uint64_t subject = 0;      ///< hash of whom it was made for
    std::int64_t row_id = 0;        ///< of a record: the table's `id`, all that a delete tells; 0: not known
    std::uint32_t schema = 0;       ///< hash of the record's columns and types; 0 if that plays no part
    std::uint32_t issued_at_s = 0;  ///< seconds since 1970

    bool operator==(const resume_point &) const = default;
};

/// FNV-1a or better; the same in every process and on every machine.
[[nodiscard]] std::uint64_t stable_hash(std::string_view text);

/// Makes tokens that only we can have made: base64url without padding of
///
///     version (1 byte, 1) · key id (1) · fields of resume_point in the order above, big endian · MAC (16)
///
/// where MAC is HMAC-SHA256 over all before it, cut to 16 bytes. The first key signs; all of them are
/// accepted, so that keys can be changed without losing a client. One instance per thread.
class token_seal {
  public:
    struct key {
        std::uint8_t id;
        std::string secret;
    };
    /// At least one key.
    explicit token_seal(std::vector<key> keys);
    ~token_seal();
    token_seal(token_seal &&) noexcept;

    /// A key from a secret that has other uses too (SystemRootToken): HKDF-SHA256.
    [[nodiscard]] static std::string derive(std::string_view secret);

    /// Characters of every token.
    static constexpr std::size_t length = 99; // of 74 bytes
    /// Writes `length` characters. On the way of every message: no allocation.
    void seal(const resume_point &point, char *into) const;
    [[nodiscard]] std::string seal(const resume_point &point) const;

    /// Nothing if it is none of ours, whatever the bytes. In constant time as far as the MAC goes.
    [[nodiscard]] std::optional<resume_point> open(std::string_view token) const;

    /// The same for content of any length, with 2 in place of the version: what is no resume token, and never
    /// taken for one.
    [[nodiscard]] std::string seal_bytes(std::string_view content) const;
    [[nodiscard]] std::optional<std::string> open_bytes(std::string_view text) const;

  private:
    struct state;
    /// The last 16 bytes are the MAC of those before, by one of the keys.
    [[nodiscard]] bool genuine(std::span<const unsigned char> bytes) const;
    std::vector<state> keys_;
};

} // namespace walcast
