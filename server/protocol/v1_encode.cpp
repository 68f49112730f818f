#include "server/protocol/v1_encode.hpp"

#include "server/protocol/json_time.hpp"
#include "server/protocol/utf8.hpp"

#include <fmt/format.h>
#include <utility>

namespace walcast {

namespace {

/// Writes one message, key by key; the op comes first.
class message_writer {
  public:
    explicit message_writer(std::string_view op, std::size_t room = 128) {
        text_.reserve(room);
        text_.append(R"({"op":")").append(op).push_back('"');
    }

    /// Any text.
    message_writer &text(std::string_view key, std::string_view value) {
        append_json_string(begin(key), value);
        return *this;
    }
    /// What is JSON, or needs nothing but quotes around it.
    message_writer &json(std::string_view key, std::string_view value) {
        begin(key).append(value);
        return *this;
    }
    message_writer &plain(std::string_view key, std::string_view value) {
        begin(key).append("\"").append(value).push_back('"');
        return *this;
    }
    message_writer &time_or_null(std::string_view key, std::optional<std::int64_t> unix_us) {
        auto &into = begin(key);
        if (unix_us && has_json_time(*unix_us))
            append_json_time(into, *unix_us);
        else
            into.append("null");
        return *this;
    }

    [[nodiscard]] std::string end(char last = '}') {
        text_.push_back(last);
        return std::move(text_);
    }

  private:
    std::string &begin(std::string_view key) { return text_.append(",\"").append(key).append("\":"); }

    std::string text_;
};

} // namespace

std::string_view to_string(v1_error code) {
    switch (code) {
    case v1_error::bad_request:
        return "bad_request";
    case v1_error::unauthorized:
        return "unauthorized";
    case v1_error::not_found:
        return "not_found";
    case v1_error::unknown_topic:
        return "unknown_topic";
    case v1_error::too_many_subscriptions:
        return "too_many_subscriptions";
    case v1_error::payload_too_large:
        return "payload_too_large";
    case v1_error::not_allowed:
        return "not_allowed";
    case v1_error::unavailable:
        return "unavailable";
    }
    return "unavailable";
}

std::string_view to_string(v1_reset reason) {
    switch (reason) {
    case v1_reset::expired:
        return "expired";
    case v1_reset::epoch:
        return "epoch";
    case v1_reset::timeline:
        return "timeline";
    case v1_reset::ahead:
        return "ahead";
    case v1_reset::schema:
        return "schema";
    case v1_reset::filter:
        return "filter";
    case v1_reset::auth:
        return "auth";
    case v1_reset::lagging:
        return "lagging";
    }
    return "expired";
}

std::string v1_hello(std::uint32_t heartbeat_s, const v1_limits &limits) {
    const auto bounds = fmt::format(
        R"({{"subscriptions":{},"frame_bytes":{},"sessions_per_user":{},"sessions_per_address":{}}})",
        limits.subscriptions, limits.frame_bytes, limits.sessions_per_user, limits.sessions_per_address);
    return message_writer("hello", 256)
        .json("protocol", "1")
        .plain("server", "walcast/" WALCAST_VERSION)
        .json("heartbeat_s", fmt::to_string(heartbeat_s))
        .json("limits", bounds)
        .end();
}

std::string v1_authenticated(std::string_view user_uuid, std::optional<std::int64_t> expires_at_us) {
    return message_writer("auth").text("user", user_uuid).time_or_null("expires_at", expires_at_us).end();
}

std::string v1_failure(std::string_view id, v1_error code, std::string_view message) {
    message_writer made("error");
    if (!id.empty())
        made.text("id", id);
    return made.plain("code", to_string(code)).text("message", message).end();
}

std::string v1_reset_message(std::string_view id, v1_reset reason) {
    return message_writer("reset").text("id", id).plain("reason", to_string(reason)).end();
}

std::string v1_silenced(std::string_view id, std::string_view reason) {
    return message_writer("silenced").text("id", id).text("reason", reason).end();
}

std::string v1_restored(std::string_view id) {
    return message_writer("restored").text("id", id).end();
}

std::string v1_end(std::string_view id, std::string_view reason) {
    return message_writer("end").text("id", id).text("reason", reason).end();
}

std::string v1_ping(std::string_view token) {
    message_writer made("ping");
    if (!token.empty())
        made.plain("token", token);
    return made.end();
}

std::string v1_live(std::string_view id, std::string_view token) {
    return message_writer("live", 192).text("id", id).plain("token", token).end();
}

std::string v1_goodbye(std::string_view reason, std::uint32_t retry_after_ms) {
    return message_writer("goodbye")
        .text("reason", reason)
        .json("retry_after_ms", fmt::to_string(retry_after_ms))
        .end();
}

std::string v1_head(std::string_view op, std::string_view id, std::string_view token) {
    return message_writer(op, 192).text("id", id).plain("token", token).end(',');
}

std::string v1_snapshot_body(std::string_view record_json) {
    std::string made = R"("record":)";
    return made.append(record_json).append("}");
}

} // namespace walcast
