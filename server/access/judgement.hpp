#pragma once

#include "server/access/audience.hpp"
#include "server/access/grants_report.hpp"
#include "server/access/uuid_text.hpp"

#include <cstdint>
#include <iterator>
#include <memory>
#include <utility>
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
    std::vector<grants_report> grants;   ///< likewise, of watched users
    std::uint64_t transactions = 0;      ///< so many transactions have been judged in all

    [[nodiscard]] bool empty() const { return events.empty() && objects.empty() && grants.empty(); }
    /// Adds what was judged next.
    void append(judgement next) {
        append_to(events, std::move(next.events));
        append_to(objects, std::move(next.objects));
        append_to(grants, std::move(next.grants));
        transactions = next.transactions;
    }

  private:
    template <class T>
    static void append_to(std::vector<T> &into, std::vector<T> more) {
        if (into.empty())
            into = std::move(more);
        else
            into.insert(into.end(), std::make_move_iterator(more.begin()),
                        std::make_move_iterator(more.end()));
    }
};

/// Immutable, shared by threads.
using judgement_ptr = std::shared_ptr<const judgement>;

} // namespace walcast
