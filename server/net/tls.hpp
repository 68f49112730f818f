#pragma once

#include <boost/asio/ssl/context.hpp>
#include <memory>
#include <string>

namespace walcast {

/// A server context, TLS 1.2 and later, from a certificate chain and a key; each is PEM text or the path of a
/// file with it. Throws std::runtime_error with one line that names what cannot be used.
[[nodiscard]] std::shared_ptr<boost::asio::ssl::context> make_tls_context(const std::string &certificate,
                                                                          const std::string &key);

} // namespace walcast
