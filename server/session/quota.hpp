#pragma once

#include <cstddef>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

namespace walcast {

/// How many of something each key has (connections an address, sessions a user), and no more than so many.
///
/// take() gives a slot, which is held as long as the thing lasts and given back by its destructor; or nothing
/// when there are `most`. From any thread: shards share one. It outlives its slots.
class quota {
  public:
    /// `most` 0: as many as they like, and nothing is counted.
    explicit quota(std::size_t most)
        : most_(most) {}
    quota(const quota &) = delete;
    quota &operator=(const quota &) = delete;

    class slot {
      public:
        slot() = default; ///< of nothing
        slot(slot &&other) noexcept
            : of_(std::exchange(other.of_, nullptr))
            , key_(std::move(other.key_)) {}
        slot &operator=(slot &&other) noexcept {
            std::swap(of_, other.of_);
            std::swap(key_, other.key_);
            return *this;
        }
        ~slot() {
            if (of_)
                of_->give_back(key_);
        }

      private:
        friend class quota;
        slot(quota &of, std::string key)
            : of_(&of)
            , key_(std::move(key)) {}

        quota *of_ = nullptr;
        std::string key_;
    };

    [[nodiscard]] std::optional<slot> take(const std::string &key) {
        if (most_ == 0)
            return slot();
        const std::scoped_lock lock(mutex_);
        auto &used = used_[key];
        if (used >= most_)
            return std::nullopt;
        ++used;
        return slot(*this, key);
    }

  private:
    void give_back(const std::string &key) {
        const std::scoped_lock lock(mutex_);
        const auto found = used_.find(key);
        if (--found->second == 0)
            used_.erase(found);
    }

    const std::size_t most_;
    std::mutex mutex_;                                  ///< guards used_
    std::unordered_map<std::string, std::size_t> used_; ///< only keys that have some
};

} // namespace walcast
