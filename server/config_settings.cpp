#include "server/config_settings.hpp"

#include "server/config_text.hpp"
#include "server/listen_url.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <limits>
#include <utility>

namespace walcast {

namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

constexpr std::size_t kib = 1024, mib = kib << 10, gib = mib << 10, tib = gib << 10;

// Kinds of settings: each makes one line of the table

setting text(std::string path, std::string config::*target, disclosure shown = disclosure::open) {
    return {std::move(path),
            [=](config &c, const yaml_value &v) { c.*target = v.text(); },
            [=](const config &c) { return c.*target; },
            shown,
            {},
            {}};
}

/// Without limits if `most` is left out.
setting number(std::string path, unsigned config::*target, unsigned least = 0,
               unsigned most = std::numeric_limits<unsigned>::max()) {
    const bool limited = most != std::numeric_limits<unsigned>::max();
    return {std::move(path),
            [=](config &c, const yaml_value &v) {
                c.*target = static_cast<unsigned>(read_number(v, least, most));
            },
            [=](const config &c) { return std::to_string(c.*target); },
            disclosure::open,
            limited ? std::to_string(least) : std::string(),
            limited ? std::to_string(most) : std::string()};
}

setting time(std::string path, milliseconds config::*target, milliseconds least, milliseconds most) {
    return {std::move(path),
            [=](config &c, const yaml_value &v) { c.*target = read_duration(v, least, most); },
            [=](const config &c) { return to_duration_text(c.*target); },
            disclosure::open,
            to_duration_text(least),
            to_duration_text(most)};
}

setting bytes(std::string path, std::size_t config::*target, std::size_t least, std::size_t most) {
    const auto read = [=](config &c, const yaml_value &v) {
        const auto written = v.text();
        const auto size = parse_byte_size(written);
        if (!size)
            v.fail(fmt::format("\"{}\" is not a size such as 128MiB, 64K or 4096", written));
        if (*size < least || *size > most)
            v.fail(fmt::format("{} is out of range: {} to {}", written, to_byte_size_text(least),
                               to_byte_size_text(most)));
        c.*target = *size;
    };
    return {std::move(path),
            read,
            [=](const config &c) { return to_byte_size_text(c.*target); },
            disclosure::open,
            to_byte_size_text(least),
            to_byte_size_text(most)};
}

setting flag(std::string path, bool config::*target) {
    return {std::move(path),
            [=](config &c, const yaml_value &v) { c.*target = read_flag(v); },
            [=](const config &c) { return c.*target ? "true" : "false"; },
            disclosure::open,
            {},
            {}};
}

/// A name that needs no quotes in PostgreSQL.
setting identifier(std::string path, std::string config::*target) {
    const auto read = [=](config &c, const yaml_value &v) {
        const auto name = v.text();
        if (name.empty() || name.size() > 63 ||
            name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") != std::string::npos)
            v.fail(fmt::format("\"{}\" is not a name of at most 63 of a-z, 0-9 and _", name));
        c.*target = name;
    };
    return {std::move(path), read, [=](const config &c) { return c.*target; }, disclosure::open, {}, {}};
}

// The odd ones

constexpr std::array<std::pair<std::string_view, source_choice>, 3> sources{
    {{"auto", source_choice::automatic},
     {"slot", source_choice::slot},
     {"listener", source_choice::listener}}};

void read_source(config &c, const yaml_value &v) {
    const auto name = v.text();
    const auto *const found =
        std::find_if(sources.begin(), sources.end(), [&](const auto &s) { return s.first == name; });
    if (found == sources.end())
        v.fail(fmt::format("\"{}\" is none of auto, slot, listener", name));
    c.source = found->second;
}

std::string show_source(const config &c) {
    return std::string(sources[static_cast<std::size_t>(c.source)].first);
}

/// A certificate or key: `file:///path`, a path, or PEM text. What it says is never repeated: it may be a
/// key.
setting certificate(std::string path, std::string config::*target) {
    const auto read = [=](config &c, const yaml_value &v) {
        auto written = v.text();
        if (written.starts_with("file://"))
            written.erase(0, std::string_view("file://").size());
        if (!written.empty() && !written.starts_with('/') && !is_pem(written))
            v.fail("is neither file:///path nor PEM text");
        c.*target = std::move(written);
    };
    return {
        std::move(path),  read, [=](const config &c) { return is_pem(c.*target) ? "(PEM text)" : c.*target; },
        disclosure::open, {},   {}};
}

/// The secret of a token in either form: `v2/<uuid>/<secret>` or the bare secret.
void read_anonymous_token(config &c, const yaml_value &v) {
    auto token = v.text();
    if (token.starts_with("v2/")) {
        const auto slash = token.find('/', 3);
        if (slash == std::string::npos || slash + 1 == token.size() ||
            token.find('/', slash + 1) != std::string::npos)
            v.fail("starts like a v2 token but is not v2/<uuid>/<secret>");
        token.erase(0, slash + 1);
    }
    c.anonymous_token = std::move(token);
}

void read_internal_urls(config &c, const yaml_value &v) {
    c.internal_urls.clear();
    for (const auto &[url, entry] : v.entries()) {
        if (url == "SAMPLE")
            continue;
        internal_url read{url, {}};
        if (!parse_listen_url(url))
            entry.fail("is not a URL such as http://host:port");
        for (const auto &[key, value] : entry.entries()) {
            if (key == "ListenURL")
                read.listen_url = value.is_null() ? "" : value.text();
            else if (key != "Rendezvous") // Keepstore's, but a key of every service
                value.fail("unknown key (the only one is ListenURL)");
            if (!read.listen_url.empty() && !parse_listen_url(read.listen_url))
                value.fail(fmt::format("\"{}\" is not a URL such as http://host:port", read.listen_url));
        }
        c.internal_urls.push_back(std::move(read));
    }
}

/// The keys of a map, whose values are others' business; SAMPLE and `*` are none.
setting names(std::string path, std::vector<std::string> config::*target) {
    return {std::move(path),
            [=](config &c, const yaml_value &v) {
                (c.*target).clear();
                for (const auto &[name, value] : v.entries())
                    if (name != "SAMPLE" && name != "*")
                        (c.*target).push_back(name);
            },
            [=](const config &c) { return fmt::format("{}", fmt::join(c.*target, ", ")); },
            disclosure::open,
            {},
            {}};
}

std::string show_internal_urls(const config &c) {
    std::string list;
    for (const auto &entry : c.internal_urls)
        list += fmt::format("{}{}{}{}", list.empty() ? "" : ", ", entry.url,
                            entry.listen_url.empty() ? "" : " at ", entry.listen_url);
    return list;
}

using parameters = std::map<std::string, std::string>;

setting connection(std::string path, parameters config::*target) {
    const auto show = [=](const config &c) {
        auto shown = c.*target;
        for (auto &[name, value] : shown)
            if (name.find("password") != std::string::npos)
                value = "(set)";
        return connection_string(shown);
    };
    return {std::move(path),
            [=](config &c, const yaml_value &v) { c.*target = read_connection(v); },
            show,
            disclosure::open,
            {},
            {}};
}

std::string show_level(const config &c) {
    constexpr std::array<const char *, 4> names{"debug", "info", "warn", "error"};
    return names[static_cast<std::size_t>(c.level)];
}

std::vector<setting> make_settings() {
    return {
        connection("PostgreSQL.Connection", &config::arvados_postgresql),
        number("PostgreSQL.ConnectionPool", &config::connection_pool),
        text("Services.Websocket.ExternalURL", &config::external_url),
        {"Services.Websocket.InternalURLs", read_internal_urls, show_internal_urls, disclosure::open, {}, {}},
        text("Services.Controller.ExternalURL", &config::controller_url),
        names("Services.Controller.InternalURLs", &config::controller_internal_urls),
        time("API.SendTimeout", &config::send_timeout, 10ms, 24h),
        number("API.WebsocketClientEventQueue", &config::client_event_queue),
        number("API.WebsocketServerEventQueue", &config::server_event_queue),
        number("API.MaxConcurrentRequests", &config::max_concurrent_requests),
        text("ManagementToken", &config::management_token, disclosure::secret),
        text("SystemRootToken", &config::system_root_token, disclosure::secret),
        {"Users.AnonymousUserToken",
         read_anonymous_token,
         [](const config &c) { return c.anonymous_token; },
         disclosure::secret,
         {},
         {}},
        text("Login.LoginCluster", &config::login_cluster),
        flag("Login.OpenIDConnect.Enable", &config::openid_connect),
        time("Login.RemoteTokenRefresh", &config::remote_token_refresh, 1s, 24h),
        names("RemoteClusters", &config::remote_clusters),
        flag("Users.RoleGroupsVisibleToAll", &config::role_groups_visible_to_all),
        certificate("TLS.Certificate", &config::tls_certificate),
        certificate("TLS.Key", &config::tls_key),
        flag("TLS.Insecure", &config::tls_insecure),
        {"SystemLogs.LogLevel",
         [](config &c, const yaml_value &v) { c.level = read_log_level(v); },
         show_level,
         disclosure::open,
         {},
         {}},
        {"SystemLogs.Format",
         [](config &c, const yaml_value &v) { c.format = read_log_format(v); },
         [](const config &c) { return c.format == log_format::json ? "json" : "text"; },
         disclosure::open,
         {},
         {}},

        connection("Walcast.Connection", &config::own_postgresql),
        {"Walcast.Source", read_source, show_source, disclosure::open, {}, {}},
        identifier("Walcast.Slot", &config::slot),
        identifier("Walcast.Publication", &config::publication),
        flag("Walcast.StreamTransactions", &config::stream_transactions),
        flag("Walcast.WaitVisible", &config::wait_visible),
        number("Walcast.Shards", &config::shards, 0, 256),
        bytes("Walcast.FeedBytes", &config::feed_bytes, mib, tib),
        time("Walcast.FeedAge", &config::feed_age, 1s, 168h),
        bytes("Walcast.RetentionBytes", &config::retention_bytes, 0, tib),
        time("Walcast.RetentionAge", &config::retention_age, 0ms, 168h),
        bytes("Walcast.OutboxBytes", &config::outbox_bytes, 4 * kib, gib),
        bytes("Walcast.MaxMessageBytes", &config::max_message_bytes, kib, 64 * mib),
        bytes("Walcast.MaxEventBytes", &config::max_event_bytes, 4 * kib, 256 * mib),
        number("Walcast.MaxConnections", &config::max_connections, 1, 1'000'000),
        number("Walcast.MaxConnectionsPerAddress", &config::max_connections_per_address, 0, 1'000'000),
        number("Walcast.MaxSessionsPerUser", &config::max_sessions_per_user, 0, 1'000'000),
        text("Walcast.ResumeKey", &config::resume_key, disclosure::secret),
        text("Walcast.FormerResumeKey", &config::former_resume_key, disclosure::secret),
        number("Walcast.MaxSubscriptions", &config::max_subscriptions, 1, 1'000'000),
        time("Walcast.HandshakeTimeout", &config::handshake_timeout, 100ms, 10min),
        time("Walcast.LongPollTimeout", &config::long_poll_timeout, 0ms, 1h),
        time("Walcast.ReplayWindow", &config::replay_window, 0ms, 336h),
        time("Walcast.DrainTimeout", &config::drain_timeout, 0ms, 10min),
        number("Walcast.QueryConnections", &config::query_connections, 1, 64),
    };
}

} // namespace

const std::vector<setting> &all_settings() {
    static const std::vector<setting> settings = make_settings();
    return settings;
}

} // namespace walcast
