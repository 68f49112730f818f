#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

namespace walcast {

/// A user whose grants are followed, for as long as it has a session; never given to another one.
enum class reader_id : std::uint32_t { none = 0 };

/// Which of the users whose grants were followed at the time may read an object, administrators aside. They
/// were judged at one position, and that does not change: immutable, shared by events and threads.
struct audience {
    bool everyone = false;
    std::vector<reader_id> readers; ///< in order

    [[nodiscard]] bool has(reader_id one) const {
        return everyone || std::binary_search(readers.begin(), readers.end(), one);
    }
};

using audience_ptr = std::shared_ptr<const audience>;

} // namespace walcast
