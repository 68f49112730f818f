#include "tests/fuzz/shard_fixture.hpp"

#include "server/net/shard.hpp"
#include "tests/fuzz/require.hpp"
#include "tests/support/wait_for.hpp"
#include "tests/unit/protocol/support.hpp"

#include <array>
#include <boost/asio/ip/address.hpp>
#include <cerrno>
#include <chrono>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <prometheus/registry.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace walcast::fuzz {

namespace {

constexpr std::chrono::seconds patience{30};

/// Believes every token; has the events of the feed and no others.
class prompt_database : public services {
  public:
    explicit prompt_database(shard &home)
        : home_(home) {}

    void authenticate(std::string token, std::int64_t, std::function<void(const verdict &)> then) override {
        principal who;
        who.is_admin = true;
        who.scopes = {"all"};
        home_.post([then = std::move(then),
                    found = token.empty() ? verdict::invalid() : verdict::always(who)] { then(found); });
    }
    std::shared_ptr<void> follow(const std::string &, std::function<void(reader_id)> ready) override {
        home_.post([ready = std::move(ready)] { ready(reader_id{1}); });
        return std::make_shared<int>();
    }
    void decide(reader_id, std::vector<uuid_text> objects,
                std::function<void(std::vector<bool>)> then) override {
        home_.post(
            [then = std::move(then), count = objects.size()] { then(std::vector<bool>(count, true)); });
    }
    std::shared_ptr<void> watch(reader_id, const uuid_text &) override { return std::make_shared<int>(); }
    grants_watch watch_grants(const uuid_text &) override { return {std::make_shared<int>(), 1}; }
    void read_logs(std::vector<log_id>, std::function<void(log_rows)> then) override {
        home_.post([then = std::move(then)] { then({}); });
    }
    void scan_logs(log_scan what, std::function<void(log_rows)> then) override {
        log_rows none;
        none.last = what.after;
        home_.post([then = std::move(then), none] { then(none); });
    }
    void read_records(std::vector<uuid_text>, std::function<void(record_rows)> then) override {
        home_.post([then = std::move(then)] {
            then({.primary = true, .seen = visibility(), .insert_lsn = lsn{1}});
        });
    }
    void after(std::chrono::milliseconds delay, std::function<void()> then) override {
        home_.after(delay, std::move(then));
    }
    void barrier(lsn, std::function<void()> then) override { home_.post(std::move(then)); }

  private:
    shard &home_;
};

class pages : public site {
  public:
    void check_database(std::function<void(std::function<void()>)> post,
                        std::function<void(std::string)> then) override {
        post([then = std::move(then)] { then({}); });
    }
    std::string metrics() override { return "up 1\n"; }
    std::string metrics_json() override { return "[]"; }
    std::string status() override { return "{}"; }
    bool standby() override { return false; }
    std::string management_token() override { return std::string(fuzz::management_token); }
};

batch some_events() {
    batch made;
    const auto table = test::logs_table();
    for (const auto *id : {"1", "2", "3"}) {
        test::logs_row row;
        row.id = id;
        made.transactions.push_back(test::insert(row, table));
    }
    made.decoded = made.transactions.back()->end();
    made.ready = true;
    return made;
}

class server {
  public:
    server()
        : shard_(
              0, {1U << 20U, std::int64_t{1} << 60},
              {.outbox_bytes = 1U << 16U,
               .max_event_bytes = 1U << 20U,
               .max_subscriptions = 8,
               .send_interval_us = 60'000'000},
              {.max_message_bytes = 4096,
               .outbox_bytes = 1U << 16U,
               .handshake_timeout = std::chrono::seconds(3),
               .stall_timeout = std::chrono::seconds(3),
               .patience = {}},
              door_, [](shard &home) { return std::make_unique<prompt_database>(home); }, classes_,
              {{1, "a key"}}, pages_, log_, session_probe_, net_probe_) {
        port_ = shard_.listen({boost::asio::ip::address_v4::loopback(), 0}, nullptr);
        shard_.start();
        shard_.deliver(std::make_shared<const batch>(some_events()), std::make_shared<const judgement>(),
                       [] {});
    }

    [[nodiscard]] std::uint16_t port() const { return port_; }

  private:
    prometheus::Registry registry_;
    session_probe session_probe_{registry_};
    net_probe net_probe_{registry_};
    admission door_{{.connections = 100, .descriptors = 100, .per_address = 0}};
    logger log_{2, log_format::text, log_level::error};
    pages pages_;
    record_classes classes_{{}};
    shard shard_;
    std::uint16_t port_ = 0;
};

/// The client's socket. libFuzzer's alarm clock interrupts what blocks here, every half -timeout.
class connection {
  public:
    explicit connection(std::uint16_t port)
        : descriptor_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        // Each from another address: a closed connection keeps its pair of ports for a minute, and there are
        // many.
        static std::uint32_t number = 0;
        sockaddr_in from{}, to{};
        from.sin_family = to.sin_family = AF_INET;
        from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + number++ % 0xffff00);
        const int yes = 1;
        static_cast<void>(::setsockopt(descriptor_, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes));
        require(::bind(descriptor_, reinterpret_cast<const sockaddr *>(&from), sizeof from) == 0,
                "a loopback address");
        to.sin_port = htons(port);
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        int error =
            ::connect(descriptor_, reinterpret_cast<const sockaddr *>(&to), sizeof to) == 0 ? 0 : errno;
        if (error == EINTR) { // and yet it goes on
            socklen_t size = sizeof error;
            require(wait_for(descriptor_, POLLOUT, patience) &&
                        ::getsockopt(descriptor_, SOL_SOCKET, SO_ERROR, &error, &size) == 0,
                    "the server accepts in time");
        }
        require(error == 0, "the server accepts");
        static_cast<void>(::setsockopt(descriptor_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes));
    }
    ~connection() { ::close(descriptor_); }
    connection(const connection &) = delete;
    connection &operator=(const connection &) = delete;

    void send(std::string_view bytes) {
        while (!bytes.empty()) {
            require(wait_for(descriptor_, POLLOUT | POLLIN, patience),
                    "the server reads, or ends the connection");
            const auto sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
            if (sent < 0 && errno != EAGAIN)
                return; // closed by the server: what it said is read below
            bytes.remove_prefix(sent < 0 ? 0 : static_cast<std::size_t>(sent));
            receive();
        }
    }
    std::string rest() {
        ::shutdown(descriptor_, SHUT_WR);
        while (!ended_) {
            require(wait_for(descriptor_, POLLIN, patience), "the server ends the connection");
            receive();
        }
        return std::move(got_);
    }

  private:
    void receive() {
        std::array<char, 16'384> bytes;
        const auto size = ::recv(descriptor_, bytes.data(), bytes.size(), MSG_DONTWAIT);
        if (size > 0)
            got_.append(bytes.data(), static_cast<std::size_t>(size));
        else
            ended_ = size == 0 || errno != EAGAIN;
    }

    int descriptor_;
    std::string got_;
    bool ended_ = false;
};

} // namespace

std::string talk(const std::vector<std::string> &pieces) {
    // Never destroyed: its thread works until the end.
    static auto *const one = new server;
    connection to(one->port());
    for (const auto &piece : pieces)
        to.send(piece);
    return to.rest();
}

} // namespace walcast::fuzz
