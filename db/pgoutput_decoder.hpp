#pragma once

#include "db/pgoutput_messages.hpp"

#include <boost/system/result.hpp>

#include <cstddef>
#include <string_view>

namespace walcast {

/// What was asked of the server in START_REPLICATION, as far as it changes the bytes.
struct pgoutput_options {
    bool parallel_streaming = false; ///< streaming 'parallel': Stream Abort also has an LSN and a time
    bool two_phase = false;          ///< two_phase 'on'
};

/// What a message may not exceed: PostgreSQL builds each in a StringInfo, whose limit this is.
inline constexpr std::size_t max_pgoutput_message = 0x3fffffff;

/// Takes pgoutput's messages apart, one at a time (each is the payload of one XLogData). Sees no socket,
/// keeps no bytes.
///
/// The same bytes mean different things inside and outside a streamed transaction (a transaction id stands in
/// front of changes inside), so the decoder remembers whether it is between Stream Start and Stream Stop.
/// `reset` it when a connection begins. Any bytes whatsoever give either a message or an error.
class pgoutput_decoder {
  public:
    explicit pgoutput_decoder(pgoutput_options options = {})
        : options_(options) {}

    [[nodiscard]] boost::system::result<pgoutput::message> decode(std::string_view bytes);
    /// A message that was kept from within a streamed transaction.
    [[nodiscard]] boost::system::result<pgoutput::message> decode_streamed(std::string_view bytes) const;

    [[nodiscard]] bool in_stream() const { return in_stream_; }
    void reset() { in_stream_ = false; }

  private:
    pgoutput_options options_;
    bool in_stream_ = false;
};

} // namespace walcast
