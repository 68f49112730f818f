#pragma once

#include "server/ops/log.hpp"
#include "server/ops/token_probe.hpp"
#include "server/remote/api_connection.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstddef>
#include <deque>
#include <functional>
#include <string>
#include <thread>
#include <vector>

namespace walcast {

struct api_settings {
    std::vector<api_endpoint> endpoints; ///< tried in this order; not empty
    bool insecure = false;               ///< believe any certificate
    unsigned connections = 4;
    std::size_t queue = 2'000; ///< requests that may wait for one of them; more are not taken
    api_limits limits;
};

struct api_answer {
    unsigned status = 0; ///< 0: there was no answer
    std::string body;
};

/// Asks the Arvados API: GET requests, each with the token of whoever it is asked for.
///
/// A thread of its own runs a few lanes, each with a connection that it keeps; they take requests from one
/// queue, in order. An endpoint that does not answer is left for the next one, for all lanes, until that does
/// not answer either. No token is ever logged, nor anything that the API says.
class api_client {
  public:
    using done = std::function<void(api_answer)>;

    api_client(api_settings settings, logger &log, token_probe &probe);
    ~api_client();
    api_client(const api_client &) = delete;
    api_client &operator=(const api_client &) = delete;

    /// From any thread. `then` is called on the client's thread, and not at all after stop().
    void get(std::string path, std::string token, done then);
    void stop();

  private:
    struct job {
        std::string path;
        std::string token;
        done then;
    };

    boost::asio::awaitable<void> lane();
    boost::asio::awaitable<api_answer> run(api_connection &over, const job &what);
    void failed(const api_endpoint &where, const std::string &problem);
    void reached(const api_endpoint &where);

    api_settings settings_;
    logger &log_;
    token_probe &probe_;
    boost::asio::ssl::context tls_{boost::asio::ssl::context::tls_client};
    boost::asio::io_context io_{1};          ///< its thread owns what follows
    boost::asio::steady_timer arrival_{io_}; ///< lanes wait for it to be cancelled
    std::deque<job> jobs_;
    std::size_t endpoint_ = 0; ///< the one that is asked now
    bool reachable_ = true;
    std::thread thread_;
};

} // namespace walcast
