#pragma once

#include "server/net/outbox.hpp"
#include "server/session/output.hpp"
#include "server/session/protocol_session.hpp"

#include <cstddef>
#include <functional>
#include <memory>

namespace walcast {

/// One connection that carries a session, whatever it speaks: what its shard asks of it, and the half of
/// `output` that is about the outbox.
///
/// The session knows none of its carriers, and a carrier none of the protocols. One thread.
class session_carrier : public output, public std::enable_shared_from_this<session_carrier> {
  public:
    /// Makes the session when there is somebody to speak to; the carrier outlives it.
    using make_session = std::function<std::shared_ptr<protocol_session>(output &)>;

    /// `outbox_bound` is the session's: request_writable calls back at half of it.
    session_carrier(std::shared_ptr<outbox> box, std::size_t outbox_bound)
        : box_(std::move(box))
        , outbox_bound_(outbox_bound) {}
    ~session_carrier() override;
    session_carrier(const session_carrier &) = delete;
    session_carrier &operator=(const session_carrier &) = delete;

    /// The relay ends: the session may send its last words.
    void say_goodbye() {
        if (session_ && !closing_)
            session_->goodbye();
    }
    /// Lets go of the session: what it refers to is about to end.
    virtual void abandon() { session_.reset(); }
    /// The outbox is broken: ends now if nothing is pending that would find out.
    virtual void broken() = 0;

    void flush() override { box_->flush(); }
    [[nodiscard]] std::size_t queued_bytes() const override { return box_->queued_bytes(); }
    void request_writable() override;

  protected:
    [[nodiscard]] bool is_full() const { return box_->queued_bytes() >= outbox_bound_; }

    std::shared_ptr<outbox> box_;
    std::shared_ptr<protocol_session> session_;
    bool closing_ = false; ///< the session has nothing more to say, or may not

  private:
    std::size_t outbox_bound_;
    bool writable_requested_ = false;
};

} // namespace walcast
