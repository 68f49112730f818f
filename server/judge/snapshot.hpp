#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace walcast {

/// Which transactions a PostgreSQL snapshot shows, for numbers as the stream has them, of 32 bits.
class snapshot {
  public:
    /// Parses `xmin:xmax:xip,xip,…`, as pg_current_snapshot() is written; anything else shows nothing.
    explicit snapshot(std::string_view text);

    /// Whether what the transaction committed is visible. It must have committed, and not two thousand
    /// million transactions ago.
    [[nodiscard]] bool shows(std::uint32_t xid) const;

  private:
    std::uint32_t xmax_ = 0;
    std::vector<std::uint32_t> in_progress_; ///< in order
    bool valid_ = false;
};

} // namespace walcast
