#include "server/net/admission.hpp"

#include <algorithm>
#include <boost/asio/ip/address_v6.hpp>

namespace walcast {

std::string_view to_string(refusal why) {
    switch (why) {
    case refusal::connections:
        return "connections";
    case refusal::descriptors:
        return "descriptors";
    case refusal::address:
        break;
    }
    return "address";
}

std::string address_key(const boost::asio::ip::address &of) {
    const auto text = [](const auto &bytes, std::size_t count) {
        return std::string(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(count));
    };
    if (of.is_v4())
        return text(of.to_v4().to_bytes(), 4);
    const auto bytes = of.to_v6().to_bytes();
    if (of.to_v6().is_v4_mapped())
        return std::string(bytes.end() - 4, bytes.end());
    return text(bytes, 8);
}

admission::admission(limits bounds)
    : when_full_(bounds.descriptors < bounds.connections ? refusal::descriptors : refusal::connections)
    , clients_(std::max<std::size_t>(1, std::min(bounds.connections, bounds.descriptors)))
    , addresses_(bounds.per_address) {}

std::variant<admission::ticket, refusal> admission::admit(const boost::asio::ip::address &from) {
    auto address = addresses_.take(address_key(from));
    if (!address)
        return refusal::address;
    auto client = clients_.take({});
    if (!client)
        return when_full_;
    return ticket{std::move(*client), std::move(*address)};
}

} // namespace walcast
