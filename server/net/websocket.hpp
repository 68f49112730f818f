#pragma once

#include "server/net/frame_header.hpp"
#include "server/net/outbox_stream.hpp"
#include "server/net/session_carrier.hpp"

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <functional>
#include <memory>
#include <string>

namespace walcast {

/// One WebSocket connection that carries a session, of whatever protocol.
///
/// Beast reads: frames, fragments, control frames, UTF-8, sizes. Messages are written past it, straight into
/// the outbox. Keeps itself alive while a read is pending; a connection that is not read for now is kept by
/// its shard. One thread.
class websocket_connection : public session_carrier {
  public:
    using request = boost::beast::http::request<boost::beast::http::string_body>;

    websocket_connection(std::shared_ptr<outbox> box, std::size_t max_message_bytes,
                         std::size_t outbox_bound);
    ~websocket_connection() override;

    /// Answers the upgrade and goes on by itself. `ended` is called once, when nothing more will happen.
    void accept(const request &upgrade, make_session make, std::function<void()> ended);
    /// Answers the upgrade and closes at once.
    void refuse(const request &upgrade, close_code code, std::string_view reason,
                std::function<void()> ended);
    void abandon() override;
    void broken() override;

    void send(std::string_view prefix, const shared_frame &body) override;
    /// The same as a binary message.
    void send_binary(const shared_frame &body) { send_as(frame_kind::binary, {}, body); }
    void close(close_code code, std::string_view reason) override;
    void resume_input() override;

  private:
    [[nodiscard]] std::shared_ptr<websocket_connection> self() {
        return std::static_pointer_cast<websocket_connection>(shared_from_this());
    }
    void send_as(frame_kind kind, std::string_view prefix, const shared_frame &body);
    void received(boost::system::error_code error);
    void send_close();
    void end();

    boost::beast::websocket::stream<outbox_stream, false> stream_;
    boost::beast::flat_buffer buffer_;
    std::function<void()> ended_;
    bool busy_ = false;                            ///< a read is pending, or its message is being handled
    bool open_ = false;                            ///< the handshake is done
    boost::beast::websocket::close_reason reason_; ///< once closing_, if it is us who close
};

} // namespace walcast
