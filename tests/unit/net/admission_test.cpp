#include "server/net/admission.hpp"

#include <doctest/doctest.h>
#include <vector>

using namespace walcast;
using boost::asio::ip::make_address;

namespace {
/// The ticket, if there was no refusal.
std::optional<admission::ticket> let_in(admission &door, const char *from) {
    auto answer = door.admit(make_address(from));
    if (auto *ticket = std::get_if<admission::ticket>(&answer))
        return std::move(*ticket);
    return std::nullopt;
}
refusal why_not(admission &door, const char *from) {
    return std::get<refusal>(door.admit(make_address(from)));
}
} // namespace

TEST_CASE("an IPv4 address is one client, however it is written; an IPv6 one counts by its first 64 bits") {
    CHECK(address_key(make_address("192.0.2.7")) == address_key(make_address("::ffff:192.0.2.7")));
    CHECK(address_key(make_address("192.0.2.7")) != address_key(make_address("192.0.2.8")));
    CHECK(address_key(make_address("2001:db8:1:2:3::4")) == address_key(make_address("2001:db8:1:2:5::6")));
    CHECK(address_key(make_address("2001:db8:1:2::1")) != address_key(make_address("2001:db8:1:3::1")));
}

TEST_CASE("so many in all, and a place that is left is given away again") {
    admission door({.connections = 2, .descriptors = 100, .per_address = 0});
    auto one = let_in(door, "192.0.2.1");
    auto other = let_in(door, "192.0.2.1");
    REQUIRE(one);
    REQUIRE(other);
    CHECK(why_not(door, "192.0.2.2") == refusal::connections);
    one.reset();
    CHECK(let_in(door, "192.0.2.2"));
}

TEST_CASE("the reason is the limit that is reached first") {
    admission door({.connections = 10, .descriptors = 2, .per_address = 1});
    const auto one = let_in(door, "192.0.2.1");
    CHECK(why_not(door, "192.0.2.1") == refusal::address);
    const auto other = let_in(door, "192.0.2.2");
    CHECK(why_not(door, "192.0.2.3") == refusal::descriptors);
}

TEST_CASE("who is refused in all does not count for the address") {
    admission door({.connections = 1, .descriptors = 9, .per_address = 1});
    auto one = let_in(door, "192.0.2.1");
    for (int n = 0; n < 3; ++n)
        CHECK(why_not(door, "192.0.2.2") == refusal::connections);
    one.reset();
    CHECK(let_in(door, "192.0.2.2"));
}

TEST_CASE("farewells are bounded") {
    admission door({.connections = 1, .descriptors = 1, .per_address = 0});
    std::vector<quota::slot> held;
    while (auto slot = door.farewell())
        held.push_back(std::move(*slot));
    CHECK(held.size() == admission::most_farewells);
    held.pop_back();
    CHECK(door.farewell());
}
