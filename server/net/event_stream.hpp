#pragma once

#include "server/net/http_exchange.hpp"
#include "server/protocol/stream_place.hpp"
#include "server/protocol/v1_query.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace walcast {

/// Carries a v1 session as server-sent events: each message is one event.
///
/// A browser's EventSource knows one id for a whole stream, so the carrier keeps where each topic stands, as
/// the tokens in the messages say, and seals that into each event's id (stream_place). The head of the answer
/// is held back until it is clear whether there is anything to stream: while the token is looked up, and
/// until a topic has been answered by something else than an error. Till then nothing goes out, so that what
/// is refused has an HTTP status.
class event_stream : public http_exchange {
  public:
    /// How the answer is framed: by what the client understands.
    enum class framing : std::uint8_t {
        chunked,   ///< HTTP/1.1
        unframed,  ///< HTTP/1.0: it ends with the connection
        head_only, ///< HEAD
    };

    event_stream(std::shared_ptr<outbox> box, std::size_t outbox_bound, const token_seal &seal,
                 v1_stream_query query, framing how);
    ~event_stream() override;

    /// Makes the session, and subscribes to the topics. `last_event_id` may be empty.
    void open(const make_session &make, std::string_view last_event_id);
    /// Sends the head of the answer, if it has not been sent yet.
    void begin();

    void send(std::string_view prefix, const shared_frame &body) override;
    void close(close_code code, std::string_view reason) override;

  private:
    [[nodiscard]] std::size_t topic_of(std::string_view id) const;
    /// False if the message is not to be sent now.
    [[nodiscard]] bool decide(std::string_view op, std::string_view id, std::string_view message);
    void note(std::string_view op, std::size_t topic, std::string_view token);
    void push_event(std::string_view op, std::string_view prefix, const shared_frame &body);
    void push_chunk(std::string bytes);

    const token_seal &seal_;
    v1_stream_query query_;
    framing how_;
    std::vector<std::string> ids_; ///< the topics, as JSON strings
    stream_place place_;
    bool begun_ = false;
    std::vector<bool> refused_; ///< of each topic: its subscribe was answered by an error
    std::vector<std::string> held_back_;
    unsigned retry_ms_;
    shared_frame nothing_ = make_frame({});
};

} // namespace walcast
