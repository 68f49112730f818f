#pragma once

#include "db/stream_spill.hpp"

#include <boost/system/result.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace walcast {

/// The messages of one transaction in progress, kept as they came until it commits or aborts: the older ones
/// in a spill file when there is one, the newer ones in memory. Written first, read once after that, in the
/// same order.
class stream_buffer {
  public:
    struct record {
        std::uint64_t receipt;    ///< when it arrived, see relation_cache
        std::string_view message; ///< valid until the next call of next()
    };

    void append(std::uint64_t receipt, std::string_view message);
    /// Bytes of memory held.
    [[nodiscard]] std::size_t memory() const { return memory_; }
    /// Moves what is in memory to the file. After an error nothing is lost, and it can be tried again.
    [[nodiscard]] boost::system::result<void> spill(const std::string &directory);
    [[nodiscard]] std::uint64_t spilled() const { return file_.size(); }

    /// A subtransaction was rolled back: what it wrote does not count.
    void abort(std::uint32_t subxid) { aborted_.push_back(subxid); }
    [[nodiscard]] bool aborted(std::uint32_t subxid) const;

    /// Ends writing.
    void start_reading();
    /// The next message, or nothing at the end.
    [[nodiscard]] boost::system::result<std::optional<record>> next();

  private:
    struct header {
        std::uint64_t receipt;
        std::uint64_t size;
    };

    [[nodiscard]] boost::system::result<std::string_view> take_from_file(std::size_t count);
    [[nodiscard]] boost::system::result<std::optional<record>> next_from_file();
    [[nodiscard]] record next_from_memory();

    stream_spill file_;
    std::deque<std::string> chunks_; ///< a message never crosses from one to the next
    std::size_t memory_ = 0;
    std::vector<std::uint32_t> aborted_; ///< sorted while reading

    std::uint64_t file_at_ = 0; ///< the file is read up to here; the rest of `window_` is not used yet
    std::string window_;
    std::size_t window_at_ = 0;
    std::size_t chunk_at_ = 0; ///< within the first chunk
    bool chunk_done_ = false;  ///< the first chunk was read to its end, but its last message may be in use
};

} // namespace walcast
