#include "server/net/tls.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/system/system_error.hpp>
#include <openssl/ssl.h>
#include <stdexcept>

namespace walcast {

namespace ssl = boost::asio::ssl;

namespace {
bool is_pem(const std::string &text) {
    return text.find("-----BEGIN") != std::string::npos;
}
} // namespace

std::shared_ptr<ssl::context> make_tls_context(const std::string &certificate, const std::string &key) {
    auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
    context->set_options(ssl::context::default_workarounds | ssl::context::no_tlsv1 |
                         ssl::context::no_tlsv1_1 | ssl::context::no_sslv3);
    // No session tickets: connections last for hours, so there is nothing to resume; and a ticket that
    // arrives right after the handshake is read by one thread of Python's `websockets` (the Arvados SDK's
    // client) while another writes the upgrade on the same OpenSSL object, which now and then loses the one
    // or the other.
    ::SSL_CTX_set_num_tickets(context->native_handle(), 0);
    try {
        if (is_pem(certificate))
            context->use_certificate_chain(boost::asio::buffer(certificate));
        else
            context->use_certificate_chain_file(certificate);
    } catch (const boost::system::system_error &error) {
        throw std::runtime_error("TLS.Certificate cannot be used: " + error.code().message());
    }
    try {
        if (is_pem(key))
            context->use_private_key(boost::asio::buffer(key), ssl::context::pem);
        else
            context->use_private_key_file(key, ssl::context::pem);
    } catch (const boost::system::system_error &error) {
        throw std::runtime_error("TLS.Key cannot be used: " + error.code().message());
    }
    return context;
}

} // namespace walcast
