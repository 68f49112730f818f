#include "server/net/websocket.hpp"

#include <algorithm>
#include <array>
#include <boost/beast/websocket/rfc6455.hpp>
#include <utility>

namespace walcast {

namespace websocket = boost::beast::websocket;

namespace {
/// A buffer that once held a large message gives its memory back.
constexpr std::size_t keep_buffer = 4096;
/// What of a message goes into an entry of the outbox, beside the header.
constexpr std::size_t max_copied_prefix = outbox::max_head - 10;
/// How long a client may take to answer our Close.
constexpr std::chrono::seconds close_grace{5};
} // namespace

websocket_connection::websocket_connection(std::shared_ptr<outbox> box, std::size_t max_message_bytes,
                                           std::size_t outbox_bound)
    : session_carrier(box, outbox_bound)
    , stream_(outbox_stream(std::move(box))) {
    box_->read_below(std::max<std::size_t>(2 * outbox_bound, 1));
    stream_.read_message_max(max_message_bytes);
    stream_.auto_fragment(false);
    stream_.set_option(websocket::stream_base::timeout{websocket::stream_base::none(),
                                                       websocket::stream_base::none(),
                                                       false}); // the outbox has the deadlines
    // Beast answers a Close by itself, within a read. Nothing may follow that answer.
    stream_.control_callback([this](websocket::frame_type kind, boost::beast::string_view) {
        if (kind == websocket::frame_type::close)
            closing_ = true;
    });
}

websocket_connection::~websocket_connection() = default;

void websocket_connection::accept(const request &upgrade, make_session make, std::function<void()> ended) {
    ended_ = std::move(ended);
    stream_.async_accept(upgrade, [self = self(), make = std::move(make)](boost::system::error_code error) {
        if (error)
            return self->end();
        self->open_ = true;
        if (self->closing_)
            return self->send_close();
        self->box_->no_deadline();
        self->session_ = make(*self);
        self->session_->start();
        self->resume_input();
    });
}

void websocket_connection::refuse(const request &upgrade, close_code code, std::string_view reason,
                                  std::function<void()> ended) {
    close(code, reason);
    accept(upgrade, nullptr, std::move(ended));
}

void websocket_connection::abandon() {
    ended_ = nullptr;
    session_carrier::abandon();
}

void websocket_connection::broken() {
    if (!busy_)
        end();
}

void websocket_connection::resume_input() {
    if (busy_ || closing_ || !session_ || !session_->wants_input())
        return;
    busy_ = true;
    stream_.async_read(
        buffer_, [self = self()](boost::system::error_code error, std::size_t) { self->received(error); });
}

void websocket_connection::received(boost::system::error_code error) {
    if (error)
        return end();
    const auto message = buffer_.cdata();
    const std::string_view bytes(static_cast<const char *>(message.data()), message.size());
    if (stream_.got_binary())
        session_->receive_binary(bytes);
    else
        session_->receive(bytes);
    buffer_.clear();
    if (buffer_.capacity() > keep_buffer)
        buffer_.shrink_to_fit();
    busy_ = false;
    resume_input();
    if (!busy_ && !closing_)
        request_writable(); // replies pile up: read on when they are gone
}

void websocket_connection::send(std::string_view prefix, const shared_frame &body) {
    send_as(frame_kind::text, prefix, body);
}

void websocket_connection::send_as(frame_kind kind, std::string_view prefix, const shared_frame &body) {
    if (closing_)
        return;
    const frame_header header(kind, prefix.size() + body->bytes().size());
    if (prefix.size() > max_copied_prefix) {
        box_->push(header.bytes(), make_frame(std::string(prefix)));
        return box_->push({}, body);
    }
    std::array<char, outbox::max_head> head;
    auto *end = std::copy(header.bytes().begin(), header.bytes().end(), head.begin());
    end = std::copy(prefix.begin(), prefix.end(), end);
    box_->push({head.data(), static_cast<std::size_t>(end - head.data())}, body);
}

void websocket_connection::close(close_code code, std::string_view reason) {
    if (std::exchange(closing_, true))
        return;
    reason_.code = static_cast<std::uint16_t>(code);
    reason_.reason.assign(reason.data(), reason.size());
    // Beast forgets what else is under way when the handshake is done, so nothing may begin before that. (A
    // Close that did ended the process, when SIGTERM came between the request for an upgrade and its answer.)
    if (open_)
        send_close();
}

void websocket_connection::send_close() {
    stream_.async_close(reason_, [self = self()](boost::system::error_code) {
        self->box_->abort();
        self->broken();
    });
    box_->deadline(outbox::clock::now() + close_grace);
}

void websocket_connection::end() {
    busy_ = true;
    session_.reset();
    box_->abort();
    if (ended_)
        std::exchange(ended_, nullptr)();
}

} // namespace walcast
