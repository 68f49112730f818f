#pragma once

#include "server/watch/conversation.hpp"
#include "server/watch/watch_options.hpp"
#include "server/watch/watch_printer.hpp"
#include "server/watch/watch_url.hpp"
#include "server/watch/watched_topic.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <rapidjson/document.h>
#include <string>
#include <vector>

namespace walcast {

/// Topics by protocol v1 (docs/protocol-v1.md): the state, then each change. After a disconnect each topic
/// goes on behind the token of what was printed last, so nothing is missing and nothing comes twice, or the
/// server says why it cannot.
///
/// A topic that is refused is said so and given up; the others go on.
class topic_watch : public conversation {
  public:
    /// `token` is the API token, sent in a message unless the URL has one.
    topic_watch(const watch_options &options, const std::vector<std::string> &topics, const watch_url &where,
                const std::string &token, watch_printer &printer);

    [[nodiscard]] std::vector<std::string> opening() override;
    [[nodiscard]] frame_verdict received(std::string_view text) override;
    void interrupted() override;
    [[nodiscard]] bool agreed() const override { return agreed_; }
    [[nodiscard]] bool ever_agreed() const override { return ever_agreed_; }
    [[nodiscard]] const std::string &failure() const override { return failure_; }
    [[nodiscard]] std::string reason_to_leave() const override { return reason_; }
    [[nodiscard]] std::chrono::milliseconds retry_after() const override { return retry_after_; }
    [[nodiscard]] int exit_code() const override { return refused_ ? 1 : 0; }

  private:
    frame_verdict about_connection(std::string_view op, std::string_view text,
                                   const rapidjson::Document &message);
    frame_verdict about(watched_topic &topic, std::string_view op, const rapidjson::Document &message);
    frame_verdict change(watched_topic &topic, const rapidjson::Document &message);
    frame_verdict settled(watched_topic &topic);
    /// When all topics have been answered on this connection, that is said.
    frame_verdict answered();
    frame_verdict refused(watched_topic &topic, const rapidjson::Document &message);
    frame_verdict fail(std::string why);
    frame_verdict print(const std::string &text);
    [[nodiscard]] watched_topic *find(std::string_view id);
    [[nodiscard]] std::size_t count(watched_topic::standing standing) const;

    std::vector<watched_topic> topics_;
    std::string shown_;
    std::string auth_; ///< the message with the API token; empty if the URL has it
    watch_printer &printer_;
    std::optional<std::uint64_t> most_;
    bool once_;
    std::uint64_t printed_ = 0; ///< changes
    bool agreed_ = false, ever_agreed_ = false;
    bool said_ = false; ///< on this connection, that all topics have been answered
    bool refused_ = false;
    std::string failure_, reason_;
    std::chrono::milliseconds retry_after_{};
};

} // namespace walcast
