#pragma once

#include "server/session/quota.hpp"

#include <boost/asio/ip/address.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace walcast {

/// Why a client is not let in.
enum class refusal : std::uint8_t {
    connections, ///< as many as the configuration allows are here
    descriptors, ///< as many as this process has descriptors for
    address,     ///< as many as one address may have
};

[[nodiscard]] std::string_view to_string(refusal why);

/// Whose connection counts as whose: an IPv4 address, also where it is written as an IPv6 one, or the first
/// 64 bits of an IPv6 address, which is what one machine or one household has.
[[nodiscard]] std::string address_key(const boost::asio::ip::address &of);

/// Decides at accept who may connect, for all shards: they share one. From any thread.
///
/// Whoever is refused is told so, which needs a descriptor for a moment; so many of those are kept apart.
class admission {
  public:
    /// At most so many clients at once; `per_address` 0: no limit.
    struct limits {
        std::size_t connections;
        std::size_t descriptors;
        std::size_t per_address;
    };
    /// Being told why they cannot come in, at once. More are closed without a word.
    static constexpr std::size_t most_farewells = 32;

    explicit admission(limits bounds);

    /// Held as long as the connection.
    struct ticket {
        quota::slot client;
        quota::slot address;
    };
    [[nodiscard]] std::variant<ticket, refusal> admit(const boost::asio::ip::address &from);
    [[nodiscard]] std::optional<quota::slot> farewell() { return farewells_.take({}); }

  private:
    refusal when_full_;
    quota clients_;
    quota addresses_;
    quota farewells_{most_farewells};
};

} // namespace walcast
