#pragma once

#include "server/net/http_exchange.hpp"
#include "server/protocol/v1_query.hpp"

#include <string>
#include <string_view>

namespace walcast {

/// Answers a request for the newest state of a record, at once or when it changes, through a session that
/// subscribes to it.
///
/// A change's message may lack what is large and untouched, so a change only makes it subscribe once more,
/// for a snapshot, which the shard has in memory. The subscription before that lives until the snapshot is
/// there, so that nothing goes unnoticed in between.
///
///     subscribe       →  snapshot                 the answer, or what the client has already (ETag): it
///     waits with `after`    →  live                     what the client has already: a snapshot, and it
///     waits
///                     →  change, live, or reset   a snapshot, which is the answer
///     while it waits  →  change                   a snapshot, as at first
///     at any time     →  error, silenced          the answer
///     out of time                                 304, if it waits
class record_poll : public http_exchange {
  public:
    record_poll(std::shared_ptr<outbox> box, std::size_t outbox_bound, v1_latest_query query,
                std::string if_none_match);
    ~record_poll() override;

    /// It waits until `patience`, or until conclude().
    void open(const make_session &make, clock::time_point patience);
    /// The time is over. If it does not wait, its answer is still to come.
    void conclude();

    void send(std::string_view prefix, const shared_frame &body) override;
    void close(close_code code, std::string_view reason) override;

  private:
    void on_turn() override;
    void subscribe(std::string_view after);
    void refresh();
    void take_state(std::string_view body, std::string_view token);

    v1_latest_query query_;
    std::string if_none_match_;
    clock::time_point patience_;
    unsigned oldest_ = 1, newest_ = 0; ///< the subscriptions that there are: their ids
    bool has_state_ = false;           ///< the newest one's snapshot has come
    bool refresh_ = false;             ///< another one is to be made
    bool unchanged_ = false;           ///< nothing has changed since the token that the client has
    bool waits_ = false;               ///< the client has the newest state
    std::string etag_, token_;         ///< of the newest state
};

} // namespace walcast
