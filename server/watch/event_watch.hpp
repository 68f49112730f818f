#pragma once

#include "server/watch/conversation.hpp"
#include "server/watch/incoming_frame.hpp"
#include "server/watch/subscribe_frame.hpp"
#include "server/watch/watch_options.hpp"
#include "server/watch/watch_printer.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace walcast {

/// Events by protocol v0, of a relay or of an arvados-ws. After a disconnect it goes on behind the id of the
/// last event.
class event_watch : public conversation {
  public:
    /// `shown` is the server's address. Throws watch_error when the options do not fit together.
    event_watch(const watch_options &options, std::string shown, watch_printer &printer);

    [[nodiscard]] std::vector<std::string> opening() override;
    [[nodiscard]] frame_verdict received(std::string_view text) override;
    [[nodiscard]] bool agreed() const override { return subscribed_; }
    [[nodiscard]] bool ever_agreed() const override { return ever_subscribed_; }
    [[nodiscard]] const std::string &failure() const override { return failure_; }

  private:
    void accepted();
    frame_verdict print(std::string_view text, const incoming_frame &frame);

    std::optional<std::uint64_t> most_;
    subscribe_frame subscribe_;
    std::string shown_;
    watch_printer &printer_;
    std::optional<std::int64_t> last_id_; ///< of the event received last, which is not always the largest
    std::uint64_t printed_ = 0;
    bool subscribed_ = false; ///< on this connection
    bool ever_subscribed_ = false;
    std::string failure_;
};

} // namespace walcast
