#pragma once

#include "server/access/audience.hpp"
#include "server/access/uuid_text.hpp"

#include <cstdint>
#include <vector>

namespace walcast {

/// Whether one user may read one object, from the commit of one transaction on.
struct object_verdict {
    enum class finding : std::uint8_t {
        readable,
        hidden, ///< may not be read, or does not exist
        gone,   ///< was deleted by that transaction, and the user is to be told: it reads what the owner owns
    };
    /// The number of the transaction, which are counted from 0 as their last segments come from the source.
    /// An answer to a question is as of the transaction that comes next.
    std::uint64_t transaction;
    reader_id who;
    uuid_text object;
    finding is;
};

/// What the judge has decided, in the order of the stream.
struct judgement {
    std::vector<audience_ptr> events;    ///< who may read the next events
    std::vector<object_verdict> objects; ///< of watched objects: what has changed, and answers to who asked
    std::uint64_t transactions = 0;      ///< so many transactions have been judged in all

    [[nodiscard]] bool empty() const { return events.empty() && objects.empty(); }
};

} // namespace walcast
