#pragma once

#include "server/ops/log.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace walcast {

/// A configuration that cannot be used. `what()` is one line: file, path of the key, what is wrong.
class config_error : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// Where the server listens: from Services.Websocket.InternalURLs, picked by $ARVADOS_SERVICE_INTERNAL_URL.
struct listen_address {
    bool tls = false; ///< https:// or wss:// in the URL
    std::string host; ///< a name or address; empty or `0.0.0.0` is every address
    std::uint16_t port = 0;

    [[nodiscard]] bool operator==(const listen_address &) const = default;
};

/// One entry of Services.Websocket.InternalURLs.
struct internal_url {
    std::string url;        ///< how other services reach this one
    std::string listen_url; ///< where to listen instead, or empty
};

/// Which source the feed uses.
enum class source_choice : std::uint8_t {
    automatic, ///< the slot if it can be used, otherwise the listener
    slot,      ///< the slot, or keep trying
    listener,  ///< LISTEN on `logs` only
};

/// Everything that can be set, with the defaults of Arvados and ours. Documented in
/// schema/config.schema.json.
struct config {
    // Arvados' own keys
    std::string cluster_id;
    std::map<std::string, std::string> arvados_postgresql; ///< PostgreSQL.Connection: libpq parameters
    std::map<std::string, std::string>
        postgresql;                ///< what the relay connects with: those, and own_postgresql over them
    unsigned connection_pool = 32; ///< PostgreSQL.ConnectionPool, reported as a metric
    std::vector<internal_url> internal_urls; ///< Services.Websocket.InternalURLs, in file order
    listen_address listen;
    std::string external_url;                          ///< Services.Websocket.ExternalURL
    std::string controller_url;                        ///< Services.Controller.ExternalURL
    std::vector<std::string> controller_internal_urls; ///< Services.Controller.InternalURLs, in file order
    std::chrono::milliseconds send_timeout{60'000}; ///< API.SendTimeout: idle `{}` and the limit of one write
    unsigned client_event_queue = 64;               ///< API.WebsocketClientEventQueue
    unsigned server_event_queue = 4; ///< API.WebsocketServerEventQueue, reported as arvados_ws_queue_cap
    unsigned max_concurrent_requests =
        64; ///< API.MaxConcurrentRequests, reported; sockets have max_connections
    std::string management_token;
    std::string system_root_token;
    std::string anonymous_token; ///< Users.AnonymousUserToken, reduced to its secret
    std::string login_cluster;   ///< Login.LoginCluster: where users log in, if it is another cluster
    bool openid_connect = false; ///< Login.OpenIDConnect.Enable
    std::chrono::milliseconds remote_token_refresh{5 * 60'000}; ///< Login.RemoteTokenRefresh
    std::vector<std::string> remote_clusters;                   ///< ids of RemoteClusters that are named
    bool role_groups_visible_to_all = true;
    std::string tls_certificate; ///< TLS.Certificate: an absolute path, or the PEM text itself (see is_pem)
    std::string tls_key;         ///< TLS.Key, likewise
    bool tls_insecure = false;   ///< TLS.Insecure: believe any certificate of the Arvados API
    log_level level = log_level::info;
    log_format format = log_format::json;
    /// Of the file that was read, for arvados_config_source_timestamp_seconds.
    std::string source_sha256;
    double source_timestamp = 0;
    std::string source_path;
    /// Lines for the log once there is one: usable, but probably not what was meant.
    std::vector<std::string> warnings;

    // The section Walcast
    std::map<std::string, std::string> own_postgresql; ///< Connection: a role with fewer rights, say
    source_choice source = source_choice::automatic;
    std::string slot = "walcast";
    std::string publication = "walcast";
    /// Whether large transactions are read while they are still in progress. Then they reach clients sooner
    /// after their commit, and wait on our disk instead of the database's; see replication_settings.
    bool stream_transactions = false;
    bool wait_visible = false; ///< hold transactions until they are visible; see visibility_gate
    unsigned shards = 0;       ///< threads that serve clients; 0: one less than the processors, at least one
    std::size_t feed_bytes = std::size_t{128} << 20; ///< per shard's view: the transactions are shared
    std::chrono::milliseconds feed_age{15 * 60'000};
    std::size_t retention_bytes = std::size_t{256} << 20; ///< WAL that the slot may hold back for us
    std::chrono::milliseconds retention_age{15 * 60'000};
    std::size_t outbox_bytes = std::size_t{256} << 10;    ///< per session, before it counts as behind
    std::size_t max_message_bytes = std::size_t{2} << 20; ///< of one client message
    std::size_t max_event_bytes = std::size_t{1} << 20; ///< of one event we send; larger: text is cut to fit
    unsigned max_connections = 16'000;
    unsigned max_connections_per_address = 0; ///< 0: no limit; behind a proxy all clients have its address
    std::string resume_key;                   ///< signs resume tokens; empty: derived from SystemRootToken
    std::string former_resume_key;            ///< its tokens are accepted too
    unsigned max_sessions_per_user = 4'000;   ///< 0: no limit
    unsigned max_subscriptions = 1'000;       ///< per session
    std::chrono::milliseconds handshake_timeout{10'000};
    std::chrono::milliseconds long_poll_timeout{50'000}; ///< the longest that a request may ask to wait
    std::chrono::milliseconds replay_window{
        10 * 60'000}; ///< how far last_log_id reaches back when the row is unknown
    std::chrono::milliseconds drain_timeout{10'000}; ///< after SIGTERM
    unsigned query_connections = 2;                  ///< for tokens and replays
};

/// Reads Arvados' configuration file, and `walcast.yml` beside it if there is one, or throws config_error.
/// `internal_url` is $ARVADOS_SERVICE_INTERNAL_URL or empty.
[[nodiscard]] config load_config(const std::string &path, const std::string &internal_url);

/// The same with a file of the old format (-legacy-ws-config), whose settings win over those of `path`.
[[nodiscard]] config load_legacy_config(const std::string &legacy_path, const std::string &path,
                                        const std::string &internal_url);

/// The libpq connection string of `PostgreSQL.Connection`, each value quoted; more parameters may be added.
[[nodiscard]] std::string connection_string(const std::map<std::string, std::string> &parameters);

/// Whether tls_certificate or tls_key is PEM text and not a path.
[[nodiscard]] bool is_pem(const std::string &certificate_or_key);

} // namespace walcast
