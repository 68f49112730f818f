#include "tests/bench/status_probe.hpp"

#include "server/feed/position.hpp"
#include "tests/bench/log_rows.hpp"

#include <fmt/format.h>
#include <rapidjson/document.h>
#include <rapidjson/pointer.h>

#include <arpa/inet.h>
#include <array>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace walcast::bench {

using namespace std::chrono_literals;

namespace {

constexpr auto interval = 50ms; // a rare question costs the relay little; the drains take seconds

[[nodiscard]] std::uint64_t decoded_lsn(const std::string &body) {
    rapidjson::Document status;
    if (status.Parse(body.data(), body.size()).HasParseError())
        return 0;
    const rapidjson::Value *decoded = rapidjson::Pointer("/source/decoded").Get(status);
    if (decoded == nullptr || !decoded->IsString())
        return 0;
    return parse_lsn({decoded->GetString(), decoded->GetStringLength()}).value_or(lsn{}).value;
}

} // namespace

std::string http_get(std::uint16_t port, const std::string &path, const std::string &bearer) {
    const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        return {};
    const timeval limit{.tv_sec = 5};
    ::setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    sockaddr_in address{.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    std::string answer;
    if (::connect(descriptor, reinterpret_cast<const sockaddr *>(&address), sizeof address) == 0) {
        const std::string request = fmt::format(
            "GET {} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n",
            path, port, bearer);
        static_cast<void>(::send(descriptor, request.data(), request.size(), MSG_NOSIGNAL));
        std::array<char, 4096> part{};
        for (ssize_t got = 0; (got = ::recv(descriptor, part.data(), part.size(), 0)) > 0;)
            answer.append(part.data(), static_cast<std::size_t>(got));
    }
    ::close(descriptor);
    const std::size_t body = answer.find("\r\n\r\n");
    return answer.starts_with("HTTP/1.1 200") && body != std::string::npos ? answer.substr(body + 4)
                                                                           : std::string{};
}

status_probe::status_probe(std::uint16_t port, std::string management_token, std::uint64_t target_lsn)
    : thread_{[this, port, token = std::move(management_token), target_lsn](const std::stop_token &stop) {
        run(stop, port, token, target_lsn);
    }} {}

void status_probe::run(const std::stop_token &stop, std::uint16_t port, const std::string &token,
                       std::uint64_t target) {
    while (!stop.stop_requested()) {
        if (decoded_lsn(http_get(port, "/status.json", token)) >= target) {
            reached_ns_ = now_ns();
            return;
        }
        std::this_thread::sleep_for(interval);
    }
}

} // namespace walcast::bench
