#include "server/relay.hpp"

#include "server/classes_yaml.hpp"
#include "server/descriptor_limit.hpp"
#include "server/listen_url.hpp"
#include "server/net/tls.hpp"
#include "server/ops/clock.hpp"
#include "server/shard_services.hpp"

#include <algorithm>
#include <atomic>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <condition_variable>
#include <fmt/format.h>
#include <memory>
#include <random>
#include <stdexcept>
#include <thread>
#include <utility>

namespace walcast {

namespace {

/// Batches that shards have not handled may hold this much before the source stops reading.
constexpr std::size_t most_backlog_bytes = std::size_t{64} << 20;
/// A client that takes nothing for this many send timeouts, while there is something for it, is gone.
constexpr int stall_factor = 10;

boost::asio::ip::tcp::endpoint resolve(const listen_address &at) {
    using boost::asio::ip::tcp;
    if (at.host.empty())
        return {tcp::v6(), at.port};
    boost::asio::io_context io;
    tcp::resolver resolver(io);
    boost::system::error_code error;
    const auto found = resolver.resolve(at.host, std::to_string(at.port), tcp::resolver::passive, error);
    if (error)
        throw std::runtime_error(fmt::format("cannot listen on {}: {}", at.host, error.message()));
    // localhost has two addresses; clients of old are used to the first kind
    for (const auto &one : found)
        if (one.endpoint().protocol() == tcp::v4())
            return one.endpoint();
    return found.begin()->endpoint();
}

unsigned count_shards(unsigned wanted) {
    return wanted > 0 ? wanted : std::max(2U, std::thread::hardware_concurrency()) - 1;
}

token_settings tokens_of(const config &settings) {
    return {.cluster_id = settings.cluster_id,
            .system_root_token = settings.system_root_token,
            .anonymous_token = settings.anonymous_token,
            .remote_clusters = settings.remote_clusters,
            .login_cluster = settings.login_cluster,
            .openid_connect = settings.openid_connect};
}

std::unique_ptr<api_client> make_api_client(const config &settings, logger &log, token_probe &probe) {
    auto urls = settings.controller_internal_urls;
    if (!settings.controller_url.empty())
        urls.push_back(settings.controller_url);
    api_settings api{.insecure = settings.tls_insecure};
    for (const auto &url : urls) {
        if (const auto at = parse_listen_url(url); at && !at->host.empty())
            api.endpoints.push_back({at->tls, at->host, at->port});
        else
            log.warning("not the URL of an Arvados API", {{"url", url}});
    }
    return api.endpoints.empty() ? nullptr : std::make_unique<api_client>(std::move(api), log, probe);
}

/// What signs resume tokens, and what else is accepted.
std::vector<token_seal::key> resume_keys(const config &settings, logger &log) {
    std::vector<std::string> secrets;
    for (const auto &one : {settings.resume_key, settings.former_resume_key})
        if (!one.empty())
            secrets.push_back(token_seal::derive(one));
    if (secrets.empty() && !settings.system_root_token.empty())
        secrets.push_back(token_seal::derive(settings.system_root_token));
    if (secrets.empty()) {
        log.warning(
            "neither ResumeKey nor SystemRootToken is set: resume tokens are good for this process alone");
        std::random_device chance;
        std::string some;
        for (int at = 0; at < 8; ++at)
            some += std::to_string(chance());
        secrets.push_back(token_seal::derive(some));
    }
    std::vector<token_seal::key> keys;
    for (auto &one : secrets) {
        const auto id = static_cast<std::uint8_t>(stable_hash(one));
        keys.push_back({id, std::move(one)});
    }
    return keys;
}

std::size_t client_descriptors(const config &settings) {
    return descriptors_for_clients(descriptor_limit(), count_shards(settings.shards),
                                   settings.query_connections, admission::most_farewells);
}

} // namespace

std::string database_parameters(const config &settings) {
    auto parameters = settings.postgresql;
    parameters.try_emplace("connect_timeout", "10");
    parameters.try_emplace("application_name", "walcast");
    return connection_string(parameters);
}

relay::relay(const config &settings, logger &log)
    : settings_(settings)
    , log_(log)
    , management_token_(settings.management_token)
    , session_probe_(registry_)
    , net_probe_(registry_)
    , relay_probe_(registry_, settings.source_sha256, settings.source_timestamp, settings.server_event_queue,
                   settings.connection_pool)
    , token_probe_(registry_)
    , access_probe_(registry_)
    , queries_(database_parameters(settings), std::max(1U, settings.query_connections), log)
    , api_(make_api_client(settings, log, token_probe_))
    , validator_(api_ ? std::make_unique<token_validator>(*api_, settings.remote_token_refresh) : nullptr)
    , tokens_(tokens_of(settings), queries_, validator_.get(), settings.remote_token_refresh, token_probe_)
    , source_(
          settings, database_parameters(settings), queries_,
          [this](batch next) { distribute(std::move(next)); }, [this] { return overloaded(); },
          [this] { return settled(); }, log)
    , access_(
          settings.role_groups_visible_to_all, database_parameters(settings),
          [this](const judgement_ptr &made) {
              for (auto &one : shards_)
                  one->judged(made);
          },
          [this](lsn target) { source_.request_position(target); }, access_probe_, log)
    , classes_(load_record_classes(classes_file()))
    , records_(classes_)
    , door_({.connections = settings.max_connections,
             .descriptors = client_descriptors(settings),
             .per_address = settings.max_connections_per_address})
    , sessions_per_user_(settings.max_sessions_per_user)
    , coverage_(settings.publication, queries_,
                {.source = [this] { return source_.status(); },
                 .request_position = [this](lsn target) { source_.request_position(target); },
                 .fill =
                     [this](std::vector<transaction_ptr> rows, lsn as_of, std::function<void()> handled) {
                         fill(std::move(rows), as_of, std::move(handled));
                     }},
                log)
    , started_us_(unix_microseconds()) {
    const auto shards = count_shards(settings.shards);
    const feed::limits bounds{settings.feed_bytes, std::chrono::microseconds(settings.feed_age).count()};
    const session_limits sessions{.outbox_bytes = settings.outbox_bytes,
                                  .max_event_bytes = settings.max_event_bytes,
                                  .max_subscriptions = settings.max_subscriptions,
                                  .send_interval_us =
                                      std::chrono::microseconds(settings.send_timeout).count(),
                                  .per_user = &sessions_per_user_,
                                  .max_message_bytes = settings.max_message_bytes,
                                  .sessions_per_user = settings.max_sessions_per_user,
                                  .sessions_per_address = settings.max_connections_per_address};
    const auto keys = resume_keys(settings, log);
    const net_limits net{.max_message_bytes = settings.max_message_bytes,
                         .outbox_bytes = settings.outbox_bytes,
                         .handshake_timeout = settings.handshake_timeout,
                         .poll_timeout = settings.long_poll_timeout,
                         .stall_timeout = settings.send_timeout * stall_factor,
                         .patience = {settings.send_timeout, settings.send_timeout * stall_factor}};
    for (unsigned number = 0; number < shards; ++number)
        shards_.push_back(std::make_unique<shard>(
            number, bounds, sessions, net, door_,
            [this](shard &home) {
                return std::make_unique<shard_services>(
                    home, queries_, tokens_, access_, records_, settings_.replay_window,
                    [this](lsn target) { source_.request_position(target); });
            },
            classes_, keys, *this, log_, session_probe_, net_probe_));
}

relay::~relay() {
    stop(std::chrono::milliseconds(0));
}

std::uint16_t relay::start(std::vector<inherited_socket> inherited) {
    std::shared_ptr<boost::asio::ssl::context> tls;
    if (settings_.listen.tls)
        tls = make_tls_context(settings_.tls_certificate, settings_.tls_key);
    auto at = resolve(settings_.listen);
    const auto handed_over = choose_inherited_socket(std::move(inherited), at, log_);
    if (handed_over)
        at = handed_over->local().value_or(at);
    for (auto &one : shards_) {
        try {
            if (handed_over)
                one->listen_on(handed_over->duplicate(), at.protocol(), tls);
            else
                at.port(one->listen(at, tls));
        } catch (const boost::system::system_error &error) {
            throw std::runtime_error(
                fmt::format("cannot listen on {}: {}", to_string(at), error.code().message()));
        }
    }
    if (const auto room = client_descriptors(settings_); room < settings_.max_connections)
        log_.warning("the limit of descriptors allows fewer clients than MaxConnections",
                     {{"limit", descriptor_limit()},
                      {"clients", room},
                      {"max_connections", settings_.max_connections}});
    for (auto &one : shards_)
        one->start();
    access_.start();
    source_.start();
    coverage_.start();
    log_.info("listening for clients", {{"address", at.address().to_string()},
                                        {"port", at.port()},
                                        {"tls", settings_.listen.tls},
                                        {"inherited", handed_over.has_value()},
                                        {"shards", shards_.size()},
                                        {"version", WALCAST_VERSION}});
    return at.port();
}

void relay::distribute(batch next) {
    const auto shared = std::make_shared<const batch>(std::move(next));
    access_.follow(*shared, [&](const judgement_ptr &made) {
        for (auto &one : shards_)
            one->deliver(shared, made, [this, before = backlog()] {
                if (before >= most_backlog_bytes / 2 && backlog() < most_backlog_bytes / 2)
                    source_.resume();
            });
    });
}

void relay::fill(std::vector<transaction_ptr> rows, lsn as_of, std::function<void()> handled) {
    const auto shared = std::make_shared<const std::vector<transaction_ptr>>(std::move(rows));
    const auto left = std::make_shared<std::atomic<std::size_t>>(shards_.size());
    for (auto &one : shards_)
        one->fill(shared, as_of, [left, handled] {
            if (left->fetch_sub(1) == 1)
                handled();
        });
}

std::size_t relay::backlog() const {
    std::size_t most = access_.backlog_bytes();
    for (const auto &one : shards_)
        most = std::max(most, one->backlog_bytes());
    return most;
}

bool relay::overloaded() const {
    return backlog() >= most_backlog_bytes;
}

lsn relay::settled() const {
    lsn least{~std::uint64_t{0}};
    for (const auto &one : shards_)
        least = std::min(least, one->settled());
    return least;
}

void relay::reload(const config &settings) {
    if (settings_.listen.tls) {
        const auto tls = make_tls_context(settings.tls_certificate, settings.tls_key);
        for (auto &one : shards_)
            one->use_tls(tls);
    }
    source_.retain(settings.retention_bytes, settings.retention_age);
    log_.set(settings.format, settings.level);
    const std::scoped_lock lock(settings_mutex_);
    management_token_ = settings.management_token;
}

void relay::stop(std::chrono::milliseconds limit) {
    if (shards_.empty())
        return;
    if (limit.count() > 0) {
        // Shards answer from their own threads, perhaps after the limit has passed and this frame is gone.
        struct count_down {
            std::mutex mutex;
            std::condition_variable wake;
            std::size_t left;
        };
        const auto drained = std::make_shared<count_down>();
        drained->left = shards_.size();
        for (auto &one : shards_)
            one->drain([drained] {
                const std::scoped_lock lock(drained->mutex);
                --drained->left;
                drained->wake.notify_all();
            });
        std::unique_lock lock(drained->mutex);
        if (!drained->wake.wait_for(lock, limit, [&] { return drained->left == 0; }))
            log_.warning("some clients did not take what was queued for them in time");
    }
    coverage_.stop();
    source_.stop();
    queries_.stop();
    access_.stop();
    if (api_)
        api_->stop();
    for (auto &one : shards_)
        one->stop();
    shards_.clear();
}

void relay::check_database(std::function<void(std::function<void()>)> post,
                           std::function<void(std::string)> then) {
    const auto answer = [post = std::move(post), then = std::move(then)](std::string problem) {
        post([then, problem = std::move(problem)]() mutable { then(std::move(problem)); });
    };
    queries_.submit_once(
        [this, answer](pqxx::connection_base &on) {
            pqxx::read_transaction in(on);
            in.exec1("SELECT 1");
            in.commit();
            answer(coverage_.grave_problem());
        },
        answer);
}

std::string relay::management_token() {
    const std::scoped_lock lock(settings_mutex_);
    return management_token_;
}

} // namespace walcast
