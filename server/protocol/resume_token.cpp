// SHA-256's own functions rather than EVP's: a hash that has begun can be copied as the plain value that it
// is. EVP allocates for each copy, of which a token needs two, and a token takes twice as long.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "server/protocol/resume_token.hpp"

#include "server/protocol/base64url.hpp"
#include "server/protocol/big_endian.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/sha.h>
#include <stdexcept>

namespace walcast {

namespace {

constexpr std::uint8_t format = 1;
/// Of what seal_bytes() seals.
constexpr std::uint8_t bytes_format = 2;
constexpr std::size_t mac_size = 16;
constexpr std::size_t signed_size = 58;
constexpr std::size_t token_size = signed_size + mac_size;
static_assert(base64url_length(token_size) == token_seal::length);

using token_bytes = std::array<unsigned char, token_size>;
using digest_bytes = std::array<unsigned char, SHA256_DIGEST_LENGTH>;

/// The numbers of a token, in their order; `with` writes or reads each.
template <class Point, class Function>
void each_number(Point &&of, Function &&with) {
    with(of.system_identifier);
    with(of.timeline);
    with(of.at.commit.value);
    with(of.at.index);
    with(of.subscription);
    with(of.subject);
    with(of.row_id);
    with(of.schema);
    with(of.issued_at_s);
}

} // namespace

std::uint64_t stable_hash(std::string_view text) {
    std::uint64_t hash = 0xcbf29ce484222325;
    for (const char byte : text)
        hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
    return hash;
}

/// HMAC (RFC 2104): `inner` and `outer` are the hashes that have taken in the key, so that a token costs the
/// three blocks that are its own.
struct token_seal::state {
    std::uint8_t id;
    SHA256_CTX inner, outer;

    explicit state(const key &from)
        : id(from.id) {
        if (from.secret.empty())
            throw std::invalid_argument("a key of resume tokens is empty");
        std::array<unsigned char, SHA256_CBLOCK> block{};
        if (from.secret.size() > block.size())
            SHA256(reinterpret_cast<const unsigned char *>(from.secret.data()), from.secret.size(),
                   block.data());
        else
            std::memcpy(block.data(), from.secret.data(), from.secret.size());
        const auto begin = [&block](SHA256_CTX &hash, unsigned char pad) {
            auto padded = block;
            for (auto &byte : padded)
                byte ^= pad;
            SHA256_Init(&hash);
            SHA256_Update(&hash, padded.data(), padded.size());
            OPENSSL_cleanse(padded.data(), padded.size());
        };
        begin(inner, 0x36);
        begin(outer, 0x5c);
        OPENSSL_cleanse(block.data(), block.size());
    }

    [[nodiscard]] digest_bytes mac(const void *of, std::size_t size) const {
        digest_bytes digest;
        auto hash = inner;
        SHA256_Update(&hash, of, size);
        SHA256_Final(digest.data(), &hash);
        hash = outer;
        SHA256_Update(&hash, digest.data(), digest.size());
        SHA256_Final(digest.data(), &hash);
        return digest;
    }
};

token_seal::token_seal(std::vector<key> keys) {
    if (keys.empty())
        throw std::invalid_argument("resume tokens need a key");
    keys_.reserve(keys.size());
    for (auto &each : keys) {
        keys_.emplace_back(each);
        OPENSSL_cleanse(each.secret.data(), each.secret.size());
    }
}

token_seal::~token_seal() = default;
token_seal::token_seal(token_seal &&) noexcept = default;

std::string token_seal::derive(std::string_view secret) {
    std::string key(32, '\0');
    const std::unique_ptr<EVP_KDF, decltype(&EVP_KDF_free)> hkdf(EVP_KDF_fetch(nullptr, "HKDF", nullptr),
                                                                 EVP_KDF_free);
    const std::unique_ptr<EVP_KDF_CTX, decltype(&EVP_KDF_CTX_free)> context(EVP_KDF_CTX_new(hkdf.get()),
                                                                            EVP_KDF_CTX_free);
    std::string digest = "SHA256", input(secret), purpose = "walcast resume tokens";
    const std::array parameters{
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest.data(), 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, input.data(), input.size()),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, purpose.data(), purpose.size()),
        OSSL_PARAM_construct_end(),
    };
    const bool derived = !secret.empty() && context &&
                         EVP_KDF_derive(context.get(), reinterpret_cast<unsigned char *>(key.data()),
                                        key.size(), parameters.data()) == 1;
    OPENSSL_cleanse(input.data(), input.size());
    if (!derived)
        throw std::runtime_error(secret.empty() ? "no secret to derive the key of resume tokens from"
                                                : "OpenSSL cannot derive the key of resume tokens");
    return key;
}

void token_seal::seal(const resume_point &point, char *into) const {
    token_bytes bytes;
    auto *at = put_big_endian(format, bytes.data());
    at = put_big_endian(keys_.front().id, at);
    each_number(point, [&at](auto number) { at = put_big_endian(number, at); });
    const auto mac = keys_.front().mac(bytes.data(), signed_size);
    std::copy_n(mac.begin(), mac_size, bytes.begin() + signed_size);
    write_base64url(bytes, into);
}

std::string token_seal::seal(const resume_point &point) const {
    std::string token(length, '\0');
    seal(point, token.data());
    return token;
}

std::optional<resume_point> token_seal::open(std::string_view token) const {
    token_bytes bytes;
    if (token.size() != length || !read_base64url(token, bytes) || bytes[0] != format || !genuine(bytes))
        return std::nullopt;
    resume_point point;
    number_taker taker{{reinterpret_cast<const char *>(bytes.data()) + 2, signed_size - 2}};
    each_number(point, [&taker](auto &number) { taker.take(number); });
    return point;
}

bool token_seal::genuine(std::span<const unsigned char> bytes) const {
    const auto size = bytes.size() - mac_size;
    // Ids are but a hint, so that two keys may have the same: all are tried that it may be.
    return std::any_of(keys_.begin(), keys_.end(), [&](const state &by) {
        return by.id == bytes[1] &&
               CRYPTO_memcmp(by.mac(bytes.data(), size).data(), bytes.data() + size, mac_size) == 0;
    });
}

std::string token_seal::seal_bytes(std::string_view content) const {
    std::vector<unsigned char> bytes;
    bytes.reserve(2 + content.size() + mac_size);
    bytes.push_back(bytes_format);
    bytes.push_back(keys_.front().id);
    bytes.insert(bytes.end(), content.begin(), content.end());
    const auto mac = keys_.front().mac(bytes.data(), bytes.size());
    bytes.insert(bytes.end(), mac.begin(), mac.begin() + mac_size);
    std::string text(base64url_length(bytes.size()), '\0');
    write_base64url(bytes, text.data());
    return text;
}

std::optional<std::string> token_seal::open_bytes(std::string_view text) const {
    std::vector<unsigned char> bytes(text.size() * 6 / 8);
    if (bytes.size() < 2 + mac_size || !read_base64url(text, bytes) || bytes[0] != bytes_format ||
        !genuine(bytes))
        return std::nullopt;
    return std::string(bytes.begin() + 2, bytes.end() - mac_size);
}

} // namespace walcast
