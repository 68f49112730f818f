#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace walcast {

/// What a query could see: pg_current_snapshot(), `xmin:xmax:xip,xip,…`. It says of a transaction in the feed
/// whether the query's answer has its changes already, which positions cannot: a commit is in the log before
/// it is visible, and stays so for as long as a synchronous standby stalls.
class visibility {
  public:
    visibility() = default;

    [[nodiscard]] static std::optional<visibility> parse(std::string_view text) {
        visibility made;
        const auto first = text.find(':');
        const auto second = first == text.npos ? text.npos : text.find(':', first + 1);
        if (second == text.npos || !number(text.substr(0, first), made.xmin_) ||
            !number(text.substr(first + 1, second - first - 1), made.xmax_))
            return std::nullopt;
        for (text.remove_prefix(second + 1); !text.empty();) {
            const auto item = text.substr(0, text.find(','));
            text.remove_prefix(std::min(text.size(), item.size() + 1));
            if (!number(item, made.in_progress_.emplace_back()))
                return std::nullopt;
        }
        return made;
    }

    /// Of a transaction that has committed. The stream has the lower 32 bits of its number, which wrap
    /// around.
    [[nodiscard]] bool sees(std::uint32_t xid) const {
        if (before(xid, xmin_))
            return true;
        return before(xid, xmax_) &&
               std::find(in_progress_.begin(), in_progress_.end(), xid) == in_progress_.end();
    }

  private:
    static bool before(std::uint32_t one, std::uint32_t other) {
        return static_cast<std::int32_t>(one - other) < 0;
    }
    static bool number(std::string_view text, std::uint32_t &into) {
        std::uint64_t wide = 0;
        const auto read = std::from_chars(text.data(), text.data() + text.size(), wide);
        into = static_cast<std::uint32_t>(wide);
        return read.ec == std::errc() && read.ptr == text.data() + text.size();
    }

    std::uint32_t xmin_ = 0, xmax_ = 0;
    std::vector<std::uint32_t> in_progress_;
};

} // namespace walcast
