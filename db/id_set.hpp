#pragma once

#include <cstddef>
#include <cstdint>
#include <map>

namespace walcast {

/// A set of ids that come mostly in sequence, as runs: a million consecutive ids cost one node.
class id_set {
  public:
    /// Returns false if it was in already.
    bool insert(std::int64_t id);
    [[nodiscard]] bool contains(std::int64_t id) const;
    /// Forgets all ids up to `floor`.
    void forget(std::int64_t floor);
    /// The greatest id that was ever inserted; 0 if none was.
    [[nodiscard]] std::int64_t greatest() const { return greatest_; }
    [[nodiscard]] std::size_t runs() const { return runs_.size(); }

  private:
    std::map<std::int64_t, std::int64_t> runs_; ///< first to last, both in the set; not touching each other
    std::int64_t greatest_ = 0;
};

} // namespace walcast
