#pragma once

#include "server/net/frame_header.hpp"
#include "server/net/outbox_stream.hpp"
#include "server/session/output.hpp"
#include "server/session/protocol_session.hpp"

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
class websocket_connection : public output, public std::enable_shared_from_this<websocket_connection> {
  public:
    using request = boost::beast::http::request<boost::beast::http::string_body>;
    /// Makes the session when the connection is open; the connection outlives it.
    using make_session = std::function<std::shared_ptr<protocol_session>(websocket_connection &)>;

    /// `outbox_bound` is the session's: request_writable calls back at half of it.
    websocket_connection(std::shared_ptr<outbox> box, std::size_t max_message_bytes,
                         std::size_t outbox_bound);
    ~websocket_connection() override;

    /// Answers the upgrade and goes on by itself. `ended` is called once, when nothing more will happen.
    void accept(const request &upgrade, make_session make, std::function<void()> ended);
    /// Answers the upgrade and closes at once.
    void refuse(const request &upgrade, close_code code, std::string_view reason,
                std::function<void()> ended);
    /// The relay ends: the session may send its last words.
    void say_goodbye() {
        if (session_ && !closing_)
            session_->goodbye();
    }
    /// Lets go of the session: what it refers to is about to end.
    void abandon();
    /// The outbox is broken: ends now if no read is pending that would find out.
    void broken();

    void send(std::string_view prefix, const shared_frame &body) override;
    /// The same as a binary message.
    void send_binary(const shared_frame &body) { send_as(frame_kind::binary, {}, body); }
    void flush() override { box_->flush(); }
    [[nodiscard]] std::size_t queued_bytes() const override { return box_->queued_bytes(); }
    void close(close_code code, std::string_view reason) override;
    void request_writable() override;
    void resume_input() override;

  private:
    void send_as(frame_kind kind, std::string_view prefix, const shared_frame &body);
    void received(boost::system::error_code error);
    void send_close();
    void end();

    std::shared_ptr<outbox> box_;
    boost::beast::websocket::stream<outbox_stream, false> stream_;
    boost::beast::flat_buffer buffer_;
    std::shared_ptr<protocol_session> session_;
    std::function<void()> ended_;
    std::size_t outbox_bound_;
    bool busy_ = false; ///< a read is pending, or its message is being handled
    bool open_ = false; ///< the handshake is done
    bool closing_ = false;
    boost::beast::websocket::close_reason reason_; ///< once closing_, if it is us who close
    bool writable_requested_ = false;
};

} // namespace walcast
