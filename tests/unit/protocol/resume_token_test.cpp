#include "server/protocol/resume_token.hpp"

#include <array>
#include <cstddef>
#include <doctest/doctest.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdexcept>

using namespace walcast;
using namespace std::string_literals;

namespace {

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Each field and each byte of it is another.
constexpr resume_point somewhere{.system_identifier = 0x0102030405060708,
                                 .timeline = 0x090a0b0c,
                                 .at = {lsn{0x0d0e0f1011121314}, 0x15161718},
                                 .subscription = 0x191a1b1c1d1e1f20,
                                 .subject = 0x2122232425262728,
                                 .row_id = 0x292a2b2c2d2e2f30,
                                 .schema = 0x31323334,
                                 .issued_at_s = 0x35363738};

token_seal seal_with(std::vector<token_seal::key> keys) {
    return token_seal(std::move(keys));
}

/// OpenSSL's base64, with the two characters that differ for URLs.
std::string decode(std::string token) {
    for (auto &character : token)
        character = character == '-' ? '+' : character == '_' ? '/' : character;
    while (token.size() % 4 != 0)
        token += 'A';
    std::string bytes(token.size() / 4 * 3, '\0');
    REQUIRE(EVP_DecodeBlock(reinterpret_cast<unsigned char *>(bytes.data()),
                            reinterpret_cast<const unsigned char *>(token.data()),
                            static_cast<int>(token.size())) == static_cast<int>(bytes.size()));
    bytes.resize(74);
    return bytes;
}

std::string encode(const std::string &bytes) {
    std::string token(bytes.size() * 2, '\0');
    token.resize(static_cast<std::size_t>(EVP_EncodeBlock(
        reinterpret_cast<unsigned char *>(token.data()),
        reinterpret_cast<const unsigned char *>(bytes.data()), static_cast<int>(bytes.size()))));
    for (auto &character : token)
        character = character == '+' ? '-' : character == '/' ? '_' : character;
    token.resize(token.find('='));
    return token;
}

std::string hmac(const std::string &key, const std::string &message) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
    unsigned size = 0;
    HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
         reinterpret_cast<const unsigned char *>(message.data()), message.size(), digest.data(), &size);
    return {reinterpret_cast<const char *>(digest.data()), size};
}

} // namespace

TEST_CASE("a token says what was sealed") {
    const auto seal = seal_with({{7, "secret"}});
    CHECK(seal.open(seal.seal(somewhere)) == somewhere);
    CHECK(seal.open(seal.seal(resume_point{})) == resume_point{});
    const resume_point largest{.system_identifier = UINT64_MAX,
                               .timeline = UINT32_MAX,
                               .at = {lsn{UINT64_MAX}, UINT32_MAX},
                               .subscription = UINT64_MAX,
                               .subject = UINT64_MAX,
                               .row_id = -1,
                               .schema = UINT32_MAX,
                               .issued_at_s = UINT32_MAX};
    CHECK(seal.open(seal.seal(largest)) == largest);
    CHECK(seal.seal(somewhere).size() == token_seal::length);
    CHECK(seal.seal(somewhere).find_first_not_of(alphabet) == std::string::npos);
}

TEST_CASE("the bytes of a token, and its MAC, are as the format says") {
    // Shorter than a block of SHA-256, as long, and longer: HMAC treats the last in another way.
    for (const auto &secret : {"s"s, std::string(64, 'k'), std::string(65, 'k'), std::string(200, '\xff')}) {
        const auto bytes = decode(seal_with({{0xfe, secret}}).seal(somewhere));
        std::string fields = "\x01\xfe";
        for (char byte = 1; byte <= 0x38; ++byte)
            fields += byte;
        CHECK(bytes.substr(0, 58) == fields);
        CHECK(bytes.substr(58) == hmac(secret, fields).substr(0, 16));
    }
}

TEST_CASE("a token with any bit flipped is none") {
    const auto seal = seal_with({{7, "secret"}, {6, "secret"}, {5, "secret"}});
    const auto bytes = decode(seal.seal(somewhere));
    REQUIRE(seal.open(encode(bytes)) == somewhere);
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
        auto flipped = bytes;
        flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ 1 << bit % 8);
        CHECK_MESSAGE(!seal.open(encode(flipped)), "bit ", bit);
    }
}

TEST_CASE("a token has one spelling") {
    const auto seal = seal_with({{7, "secret"}});
    const auto token = seal.seal(somewhere);
    for (std::size_t at = 0; at < token.size(); ++at)
        for (int byte = 0; byte < 256; ++byte) {
            auto other = token;
            other[at] = static_cast<char>(byte);
            if (other != token) // the last character has two bits that mean nothing: they are zero, too
                CHECK_MESSAGE(!seal.open(other), "byte ", byte, " at ", at);
        }
}

TEST_CASE("a token of another length is none") {
    const auto seal = seal_with({{7, "secret"}});
    const auto token = seal.seal(somewhere);
    for (std::size_t length = 0; length < token.size(); ++length)
        CHECK_FALSE(seal.open(token.substr(0, length)));
    for (const auto *behind : {"A", "=", "==", "\n", "AAAA"})
        CHECK_FALSE(seal.open(token + behind));
    CHECK_FALSE(seal.open(token + '\0'));
    CHECK_FALSE(seal.open(token + token));
    CHECK_FALSE(seal.open(std::string(std::size_t{1} << 20, 'A')));
}

TEST_CASE("a token of another version is none, though its MAC is right") {
    const auto seal = seal_with({{7, "secret"}});
    auto fields = decode(seal.seal(somewhere)).substr(0, 58);
    REQUIRE(seal.open(encode(fields + hmac("secret", fields).substr(0, 16))) == somewhere);
    for (const char version : {'\0', '\x02', '\xff'}) {
        fields[0] = version;
        CHECK_FALSE(seal.open(encode(fields + hmac("secret", fields).substr(0, 16))));
    }
}

TEST_CASE("keys can be changed without losing a client") {
    const auto before = seal_with({{1, "old"}});
    const auto between = seal_with({{2, "new"}, {1, "old"}});
    const auto after = seal_with({{2, "new"}});
    CHECK(between.open(before.seal(somewhere)) == somewhere);
    CHECK(after.open(between.seal(somewhere)) == somewhere);
    CHECK_FALSE(after.open(before.seal(somewhere)));
    CHECK_FALSE(before.open(between.seal(somewhere)));
}

TEST_CASE("a key's id alone opens nothing, and is not taken for the key") {
    const auto token = seal_with({{1, "one"}}).seal(somewhere);
    CHECK_FALSE(seal_with({{1, "other"}}).open(token));
    CHECK_FALSE(seal_with({{2, "one"}}).open(token));
    CHECK(seal_with({{1, "other"}, {1, "one"}}).open(token) == somewhere);
}

TEST_CASE("a seal that has moved is as good") {
    auto seal = seal_with({{1, "one"}});
    const auto token = seal.seal(somewhere);
    const auto moved = std::move(seal);
    CHECK(moved.seal(somewhere) == token);
    CHECK(moved.open(token) == somewhere);
}

TEST_CASE("no key, or an empty one, is an error of the configuration") {
    CHECK_THROWS_AS(seal_with({}), std::invalid_argument);
    CHECK_THROWS_AS(seal_with({{1, "one"}, {2, ""}}), std::invalid_argument);
    CHECK_THROWS_AS(token_seal::derive(""), std::runtime_error);
}

TEST_CASE("a derived key depends on the whole secret, and is the same everywhere") {
    // RFC 5869: extract with a salt of zeros, then one round of expand.
    const auto extracted = hmac(std::string(32, '\0'), "systemroottoken");
    CHECK(token_seal::derive("systemroottoken") == hmac(extracted, "walcast resume tokens\x01"));
    CHECK(token_seal::derive("systemroottoken") != token_seal::derive("systemroottokeN"));
}

TEST_CASE("the stable hash is FNV-1a with 64 bits") {
    CHECK(stable_hash("") == 0xcbf29ce484222325);
    CHECK(stable_hash("a") == 0xaf63dc4c8601ec8c);
    CHECK(stable_hash("foobar") == 0x85944171f73967e8);
}
