#pragma once

#include "server/access/judgement.hpp"
#include "server/net/admission.hpp"
#include "server/net/outbox.hpp"
#include "server/net/site.hpp"
#include "server/net/socket_options.hpp"
#include "server/net/spare_descriptor.hpp"
#include "server/ops/log.hpp"
#include "server/ops/net_probe.hpp"
#include "server/session/topic_hub.hpp"

#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>

namespace walcast {

class session_carrier;

/// The reason in the Close frame of a relay that ends, whose code is always 1012 and never 1001: whether it
/// will be started again is not known, and clients should try.
///
/// Arvados' Python SDK, and with it arv-mount and arv-ws, connects again after every Close, but with 1001 in
/// a roundabout way: iterating over the connection then ends without an exception, and the loss is noticed
/// only when the subscriptions are sent again. A client that has none at that time finds nothing to send,
/// and spins without ever connecting again. Any code but 1000 and 1001 raises, and is handled. Older SDKs
/// (ws4py) do not know 1012, answer with 1002, and connect again like that. To browsers, and so to
/// Workbench, which does not connect again by itself, all codes are the same.
constexpr std::string_view goodbye = "service restart";

/// What of the network side is configurable.
struct net_limits {
    std::size_t max_message_bytes;
    std::size_t outbox_bytes;
    std::chrono::milliseconds handshake_timeout;
    std::chrono::milliseconds poll_timeout;  ///< the longest that a request may ask to wait
    std::chrono::milliseconds stall_timeout; ///< a client that takes nothing for so long is gone
    liveness patience;                       ///< one that TCP does not hear from, likewise
};

/// One thread, its io_context, its listening socket, its connections and its event hub.
///
/// Everything in it is touched by its thread alone; from outside come only post(), deliver() and the two
/// calls that end it. Several shards listen on the same address with SO_REUSEPORT, and the kernel spreads the
/// connections.
class shard {
  public:
    using make_services = std::function<std::unique_ptr<services>(shard &)>;

    shard(unsigned number, feed::limits feed_bounds, session_limits sessions, net_limits limits,
          admission &door, make_services outside, const record_classes &classes,
          const std::vector<token_seal::key> &keys, site &pages, logger &log, session_probe &sessions_probe,
          net_probe &probe);
    ~shard();
    shard(const shard &) = delete;
    shard &operator=(const shard &) = delete;

    /// Binds and listens; throws boost::system::system_error. Returns the port, which is new if 0 was asked
    /// for.
    std::uint16_t listen(const boost::asio::ip::tcp::endpoint &at,
                         std::shared_ptr<boost::asio::ssl::context> tls);
    /// Accepts on a socket that listens already, which becomes ours. Others hold duplicates of it.
    void listen_on(int socket, boost::asio::ip::tcp protocol, std::shared_ptr<boost::asio::ssl::context> tls);
    /// Starts the thread.
    void start();
    /// On the shard's thread: calls back there after a while.
    void after(std::chrono::milliseconds delay, std::function<void()> then);

    // From any thread:
    void post(std::function<void()> work);
    /// Hands a batch over. What is not yet handled counts in backlog_bytes(); `handled` is called for each,
    /// on the shard's thread.
    /// `made` has what is judged by now, of this batch or those before.
    void deliver(std::shared_ptr<const batch> next, judgement_ptr made, std::function<void()> handled);
    /// More of what was handed over has been judged.
    void judged(judgement_ptr made);
    /// event_hub::fill with these rows, once the feed has got to `as_of`.
    void fill(std::shared_ptr<const std::vector<transaction_ptr>> rows, lsn as_of,
              std::function<void()> handled);
    [[nodiscard]] std::size_t backlog_bytes() const { return backlog_bytes_.load(std::memory_order_relaxed); }
    /// topic_hub::settled, as it was a moment ago: it never goes back within one log.
    [[nodiscard]] lsn settled() const { return {settled_.load(std::memory_order_relaxed)}; }
    void use_tls(std::shared_ptr<boost::asio::ssl::context> tls);
    /// Closes the listening socket and every connection, with Close 1012 behind what is queued; who has
    /// connected and not yet asked gets an answer first. `drained` is called when the last is gone.
    void drain(std::function<void()> drained);
    /// Ends the thread, however things stand.
    void stop();

    // On the shard's thread:
    [[nodiscard]] event_hub &hub() { return hub_; }
    [[nodiscard]] topic_hub &topics() { return topics_; }

  private:
    struct connection {
        std::shared_ptr<outbox> box;
        std::shared_ptr<session_carrier> carrier; ///< null while no session is carried
        bool idle = false;                        ///< a request was answered, and no other has begun
        admission::ticket ticket;                 ///< of nothing if it was refused
        quota::slot farewell;                     ///< if it was refused, and is told so
    };

    void accept();
    void accepted(tcp_socket socket);
    void cannot_accept(boost::system::error_code why);
    /// Takes one connection from the backlog and answers 503; false if none waits.
    [[nodiscard]] bool turn_away();
    void forget(const outbox &box);
    void tick();
    void say_goodbye();
    /// How long a client may take to send its request.
    [[nodiscard]] std::chrono::milliseconds request_timeout() const;

    friend class http_connection;

    unsigned number_;
    net_limits limits_;
    admission &door_;
    boost::asio::io_context io_{1};
    boost::asio::basic_socket_acceptor<boost::asio::ip::tcp, executor> acceptor_{io_.get_executor()};
    boost::asio::basic_waitable_timer<std::chrono::steady_clock,
                                      boost::asio::wait_traits<std::chrono::steady_clock>, executor>
        ticker_{io_.get_executor()};
    std::unique_ptr<services> outside_;
    site &site_;
    logger &log_;
    net_probe &probe_;
    event_hub hub_;
    token_seal seal_;
    topic_hub topics_;
    std::shared_ptr<boost::asio::ssl::context> tls_; ///< null: plain
    spare_descriptor spare_;
    bool starved_ = false; ///< the last attempt to accept failed
    std::unordered_map<const outbox *, connection> connections_;
    bool draining_ = false; ///< no new connections, and no second requests
    std::function<void()> drained_;
    std::atomic<std::size_t> backlog_bytes_{0};
    std::atomic<std::uint64_t> settled_{0};
    std::thread thread_;
};

} // namespace walcast
