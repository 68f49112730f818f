#pragma once

#include "server/access/grants.hpp"
#include "server/access/grants_report.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

namespace walcast {

/// Users of whom somebody wants to know what they read by the permission graph, and what each transaction
/// does to it: the part of the judge that makes grants_reports.
///
/// The judge calls settle() when it has applied all of a transaction, and answer() when it stands between two
/// of them. A transaction that touches no watched user costs nothing; one that does, by the targets that it
/// touches (`grants`), and it is worth only what is left of it at its end.
///
/// When changes are missing from the stream nothing that was told counts any more, and everybody is answered
/// anew, with the new epoch in the report. With a listener nobody is.
class watched_grants {
  public:
    explicit watched_grants(grants &of)
        : grants_(of) {}

    [[nodiscard]] bool empty() const { return users_.empty(); }

    /// Until as many calls of unwatch(); the answer to the ticket comes from answer().
    [[nodiscard]] std::uint64_t watch(reader_id who, const uuid_text &user);
    void unwatch(reader_id who);
    void remove(reader_id who);

    void begin_anew(std::uint64_t epoch);
    /// From now on, or no more: nobody is told anything.
    void forbid(bool all);

    /// Of the transaction with this number. False if something is still being read.
    [[nodiscard]] bool settle(std::uint64_t number, std::vector<grants_report> &into) {
        return grants_.stirred().empty() || settle_stirred(number, into);
    }
    /// Whoever waits and can be answered. `number` is that of the next transaction.
    void answer(std::uint64_t number, std::vector<grants_report> &into) {
        if (!asking_.empty() && !forbidden_)
            answer_asking(number, into);
    }

  private:
    struct watched {
        uuid_text user;
        unsigned uses = 0;
        std::uint64_t ticket = 0;
        std::optional<reading> told;
    };

    [[nodiscard]] bool settle_stirred(std::uint64_t number, std::vector<grants_report> &into);
    void answer_asking(std::uint64_t number, std::vector<grants_report> &into);
    void ask_all();

    grants &grants_;
    std::map<reader_id, watched> users_;
    std::set<reader_id> asking_;
    std::uint64_t tickets_ = 0;
    std::uint64_t epoch_ = 0;
    bool forbidden_ = false;
};

} // namespace walcast
