#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace walcast::bench {

/// Counts values in log-linear buckets, as HDR histograms do: 64 buckets for each power of two, so a
/// percentile is at most 1/64 (1.6 %) above the value that it stands for, at any size, and recording costs a
/// few instructions. Values below 64 are exact. One thread.
class histogram {
  public:
    void record(std::uint64_t value) {
        ++counts_[bucket(value)];
        ++count_;
        sum_ += static_cast<double>(value);
        max_ = std::max(max_, value);
    }

    [[nodiscard]] std::uint64_t count() const { return count_; }
    [[nodiscard]] std::uint64_t max() const { return max_; }
    [[nodiscard]] double mean() const { return count_ == 0 ? 0 : sum_ / static_cast<double>(count_); }

    /// The upper end of the bucket that holds the value at `percent` of all, never above the maximum; 0 if
    /// empty.
    [[nodiscard]] std::uint64_t percentile(double percent) const {
        const double wanted = static_cast<double>(count_) * percent / 100;
        double seen = 0;
        for (std::size_t i = 0; i < counts_.size(); ++i) {
            seen += static_cast<double>(counts_[i]);
            if (counts_[i] != 0 && seen >= wanted)
                return std::min(upper(i), max_);
        }
        return max_;
    }

  private:
    static constexpr unsigned sub_bits = 6;
    static constexpr std::size_t sub_buckets = std::size_t{1} << sub_bits;

    // Values with the same highest bit form a group of 64 buckets, told apart by the six bits below that bit.
    // Group 0 is the values below 64, one bucket each.
    static std::size_t bucket(std::uint64_t value) {
        if (value < sub_buckets)
            return static_cast<std::size_t>(value);
        const unsigned shift = static_cast<unsigned>(std::bit_width(value)) - 1 - sub_bits;
        return (shift + 1) * sub_buckets + static_cast<std::size_t>((value >> shift) - sub_buckets);
    }

    static std::uint64_t upper(std::size_t index) {
        if (index < sub_buckets)
            return index;
        const std::size_t shift = index / sub_buckets - 1;
        const std::uint64_t low = (sub_buckets + index % sub_buckets) << shift;
        return low + ((std::uint64_t{1} << shift) - 1);
    }

    std::array<std::uint64_t, (64 - sub_bits + 1) * sub_buckets> counts_{};
    std::uint64_t count_ = 0;
    std::uint64_t max_ = 0;
    double sum_ = 0;
};

} // namespace walcast::bench
