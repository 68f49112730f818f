#pragma once

#include "server/feed/relation.hpp"

#include <cstddef>
#include <cstdint>
#include <unordered_map>

namespace walcast {

/// What a reader has worked out about each shape that a table had: where its columns are, say. One thread.
template <class Known>
class shape_cache {
  public:
    /// `make` is called with the relation when it is met for the first time. The reference is good until the
    /// next call.
    template <class Function>
    const Known &find(const relation &table, Function &&make) {
        if (last_known_ != nullptr && last_ == table.id())
            return *last_known_;
        auto found = known_.find(table.id());
        if (found == known_.end()) {
            if (known_.size() >= most)
                known_.clear();
            found = known_.emplace(table.id(), make(table)).first;
        }
        last_ = table.id();
        last_known_ = &found->second;
        return *last_known_;
    }

  private:
    /// More are not remembered at once: a database whose tables are altered for ever must not fill the
    /// memory.
    static constexpr std::size_t most = 1024;

    std::unordered_map<std::uint64_t, Known> known_; ///< by relation::id()
    std::uint64_t last_ = 0;                         ///< the relation of `last_known_`
    const Known *last_known_ = nullptr;              ///< into known_: changes of a table come in runs
};

} // namespace walcast
