// SHA-256's own functions rather than EVP's: a hash that has begun can be copied as the plain value that it
// is. EVP allocates for each copy, of which a token needs two, and a token takes twice as long.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "server/protocol/resume_token.hpp"

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
constexpr std::size_t mac_size = 16;
constexpr std::size_t signed_size = 58;
constexpr std::size_t token_size = signed_size + mac_size;
static_assert((token_size * 8 + 5) / 6 == token_seal::length);

using token_bytes = std::array<unsigned char, token_size>;
using digest_bytes = std::array<unsigned char, SHA256_DIGEST_LENGTH>;

/// Writes big-endian numbers one behind the other.
class number_writer {
  public:
    explicit number_writer(unsigned char *into)
        : at_(into) {}

    template <class Number>
    void put(Number number) {
        for (auto shift = 8 * sizeof(Number); shift != 0; shift -= 8)
            *at_++ = static_cast<unsigned char>(static_cast<std::uint64_t>(number) >> (shift - 8));
    }

  private:
    unsigned char *at_;
};

class number_reader {
  public:
    explicit number_reader(const unsigned char *from)
        : at_(from) {}

    template <class Number>
    void take(Number &number) {
        std::uint64_t bits = 0;
        for (std::size_t byte = 0; byte < sizeof(Number); ++byte)
            bits = bits << 8 | *at_++;
        number = static_cast<Number>(bits);
    }

  private:
    const unsigned char *at_;
};

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// What six bits a character stands for; 0xff: none.
constexpr auto meanings = [] {
    std::array<std::uint8_t, 256> all;
    all.fill(0xff);
    for (std::size_t bits = 0; bits < alphabet.size(); ++bits)
        all[static_cast<unsigned char>(alphabet[bits])] = static_cast<std::uint8_t>(bits);
    return all;
}();

/// Three bytes to four characters; the two that remain of 74 to three.
void write_base64url(const token_bytes &bytes, char *into) {
    std::size_t at = 0;
    for (; at + 3 <= token_size; at += 3) {
        const unsigned bits = static_cast<unsigned>(bytes[at]) << 16 |
                              static_cast<unsigned>(bytes[at + 1]) << 8 | bytes[at + 2];
        *into++ = alphabet[bits >> 18];
        *into++ = alphabet[bits >> 12 & 63];
        *into++ = alphabet[bits >> 6 & 63];
        *into++ = alphabet[bits & 63];
    }
    static_assert(token_size % 3 == 2);
    const unsigned bits = static_cast<unsigned>(bytes[at]) << 16 | static_cast<unsigned>(bytes[at + 1]) << 8;
    *into++ = alphabet[bits >> 18];
    *into++ = alphabet[bits >> 12 & 63];
    *into++ = alphabet[bits >> 6 & 63];
}

/// Only the one spelling that write_base64url makes: two bits of the last character mean nothing, and must be
/// zero.
bool read_base64url(std::string_view text, token_bytes &into) {
    if (text.size() != token_seal::length)
        return false;
    unsigned bits = 0, held = 0;
    std::size_t at = 0;
    for (const char character : text) {
        const unsigned six = meanings[static_cast<unsigned char>(character)];
        if (six == 0xff)
            return false;
        bits = bits << 6 | six;
        held += 6;
        if (held >= 8) {
            held -= 8;
            into[at++] = static_cast<unsigned char>(bits >> held);
            bits &= (1U << held) - 1;
        }
    }
    return bits == 0;
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

    [[nodiscard]] digest_bytes mac(const token_bytes &of) const {
        digest_bytes digest;
        auto hash = inner;
        SHA256_Update(&hash, of.data(), signed_size);
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
    number_writer writer(bytes.data());
    writer.put(format);
    writer.put(keys_.front().id);
    writer.put(point.system_identifier);
    writer.put(point.timeline);
    writer.put(point.at.commit.value);
    writer.put(point.at.index);
    writer.put(point.subscription);
    writer.put(point.subject);
    writer.put(point.row_id);
    writer.put(point.schema);
    writer.put(point.issued_at_s);
    const auto mac = keys_.front().mac(bytes);
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
    if (!read_base64url(token, bytes) || bytes[0] != format)
        return std::nullopt;
    // Ids are but a hint, so that two keys may have the same: all are tried that it may be.
    const bool genuine = std::any_of(keys_.begin(), keys_.end(), [&bytes](const state &by) {
        return by.id == bytes[1] &&
               CRYPTO_memcmp(by.mac(bytes).data(), bytes.data() + signed_size, mac_size) == 0;
    });
    if (!genuine)
        return std::nullopt;
    resume_point point;
    number_reader reader(bytes.data() + 2);
    reader.take(point.system_identifier);
    reader.take(point.timeline);
    reader.take(point.at.commit.value);
    reader.take(point.at.index);
    reader.take(point.subscription);
    reader.take(point.subject);
    reader.take(point.row_id);
    reader.take(point.schema);
    reader.take(point.issued_at_s);
    return point;
}

} // namespace walcast
