#pragma once

#include "server/access/access_change.hpp"
#include "server/access/audience.hpp"
#include "server/access/grant_set.hpp"
#include "server/access/grants_report.hpp"
#include "server/access/readers.hpp"
#include "server/access/uuid_key.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace walcast {

/// The rows of materialized_permissions of one user, as read from the table.
struct grant_rows {
    uuid_text user;
    std::int64_t user_id = 0;
    bool active = false;
    bool admin = false;
    std::vector<std::pair<uuid_text, grant>> targets;
};

/// What each connected user may read: the rows of materialized_permissions of those users, and of the users
/// that they manage, kept current from the stream.
///
/// A user reads by its own rows and by those of the users whom it has a grant on that covers what they own
/// (`me`, facts: the generic rule). Each of them is an *origin*, whose rows are loaded once and shared by all
/// who need them. A reader is *ready* when all of its origins are there, and from then on part of audiences;
/// unless it is an administrator, who needs none. It is followed all the same, for the commit at which it is
/// one no more.
///
/// An origin is loaded while the stream goes on. The race: the query's snapshot shows some of the changes
/// that the judge has applied since it asked, and some that it has yet to apply. Each change carries its
/// whole row, old and new, so what was applied since is applied again to the rows, and what is to come is
/// taken back, the last one first: what is left is the state at the judge's position.
class grants {
  public:
    /// Begins to follow a user.
    reader_id add(const uuid_text &user);
    void remove(reader_id one);
    /// What add() will return.
    [[nodiscard]] reader_id next() const { return static_cast<reader_id>(last_reader_ + 1); }
    [[nodiscard]] bool ready(reader_id one) const;
    /// There is such a reader, ready or not.
    [[nodiscard]] bool knows(reader_id one) const { return readers_.contains(one); }
    /// It is ready, and everything about it is there now; administrators, too.
    [[nodiscard]] bool whole(reader_id one) const;
    /// Rows of this user matter to somebody.
    [[nodiscard]] bool follows(const uuid_text &user) const { return origins_.contains(user); }
    /// Readers whose `me` has changed since the last call, or who are active or administrators now and were
    /// not, or the reverse; some more than once.
    [[nodiscard]] std::vector<reader_id> take_changed() { return std::exchange(changed_, {}); }
    /// Whether there is anybody to judge for, administrators aside.
    [[nodiscard]] bool anybody() const { return ready_ > 0; }
    /// Every origin of every reader that is ready is there; if not, nothing can be judged.
    [[nodiscard]] bool complete() const { return holes_ == 0; }

    /// Origins that are to be loaded, by a query with this number; each is named once.
    [[nodiscard]] std::vector<uuid_text> take_wanted(std::size_t most, std::uint64_t query);
    [[nodiscard]] bool wants() const { return !wanted_.empty(); }
    /// The rows have been read. `to_come`: changes that the judge has yet to apply, in order. Nothing happens
    /// if it is not the origin's last query.
    void install(const grant_rows &read, std::uint64_t query, std::span<const grant_change> to_come);
    /// The query got no good answer: it is asked again, as another one.
    void asked_again(std::uint64_t query, std::uint64_t as);
    /// All origins are out of date. `usable`: they are good enough until they have been loaded again.
    void reload(bool usable);

    void apply(const grant_change &next);
    /// At the end of a transaction: a rebuild of the table takes every row out and puts it back, so who
    /// manages whom is worked out only now.
    void settle();
    /// The table is empty.
    void apply_all_gone();
    void set_user(const uuid_text &user, bool active, bool admin);
    /// Its row is no more; its grants may be, for a while.
    void user_gone(std::int64_t user_id);

    [[nodiscard]] audience_ptr audience_of(std::span<const reader_term> terms);
    [[nodiscard]] bool may_read(reader_id one, std::span<const reader_term> terms) const;

    // grants_watched.cpp: readers of whom somebody wants to know what each transaction does to what they
    // read. Of these it is remembered how things were before the transaction, only where it touches them.
    void watch(reader_id one);
    void unwatch(reader_id one);
    /// All of it but the count.
    [[nodiscard]] reading state_of(reader_id one) const;
    /// Counts all targets, unless the reader's own rows are all that counts.
    [[nodiscard]] reading reading_of(reader_id one) const;
    /// Watched readers whose reading may be another than before the transaction.
    [[nodiscard]] const std::set<reader_id> &stirred() const { return stirred_; }
    /// What the transaction has done to it. The reader is whole.
    [[nodiscard]] reading_change change_of(reader_id one) const;
    /// That is what counts from now on.
    void forget_past();

    struct usage {
        std::size_t readers;
        std::size_t origins;
        std::size_t entries;
        std::size_t bytes;
    };
    [[nodiscard]] usage used() const;

  private:
    struct origin;
    using origins =
        std::vector<std::pair<origin *, std::uint8_t>>; ///< each with the level of the grant on it
    struct managed {
        uuid_text user;
        std::uint8_t level;
    };
    struct origin {
        uuid_text user;
        std::int64_t user_id = 0;
        grant_set rows;
        std::vector<managed> users; ///< its targets that are users and whose belongings it covers
        std::size_t others = 0;     ///< its targets that are neither groups nor users
        unsigned uses = 0;          ///< by readers
        bool active = false;
        bool admin = false;
        bool user_known = false; ///< from the stream, since it was asked for
        bool exists = false;     ///< there is such a user
        bool loaded = false;
        std::uint64_t asked = 0;         ///< the query that loads it; 0: none
        std::vector<grant_change> since; ///< applied while it is being loaded
        std::vector<reader_id> watchers; ///< watched readers that read, or read before, by it
    };
    /// How an origin was when the transaction began.
    struct past {
        std::unordered_map<uuid_key, grant, uuid_key_hash> touched; ///< targets as they were
        std::optional<grant_set> rows;                              ///< all of them, instead
    };
    struct reader {
        reader_id id = reader_id::none;
        uuid_text user;
        /// Its own origin, which it always holds, and those of `me`.
        origin *self = nullptr;
        origins me;
        std::optional<origins> former; ///< `me` when the transaction began, if watched, and if it was another
        bool ready = false;
        bool watched = false;
    };

    origin &acquire(const uuid_text &user);
    void release(origin &one);
    void want(origin &one);
    /// Builds `me` of a reader anew; what it needs is wanted.
    void resolve(reader &one);
    void resolve_all(const origin &changed);
    [[nodiscard]] static bool is_whole(const reader &one);
    void count_holes();
    void note_target(origin &of, const uuid_text &target, grant before, grant after);
    /// Sets without looking at readers. Returns what was granted before.
    grant put(origin &in, const uuid_text &target, grant to);
    [[nodiscard]] bool reaches(const reader &one, const uuid_key &target, std::uint8_t level,
                               bool owned) const;
    [[nodiscard]] bool meets(const reader &one, const reader_term &term, const uuid_key &key) const;

    // grants_watched.cpp
    void note_touched(const origin &of, const uuid_text &target, grant before);
    void note_emptied();
    void note_parted(reader &one, const origins &next);
    void cease_to_watch(const reader &one, origin &of);
    [[nodiscard]] grant before_of(const origin &of, const uuid_key &target) const;

    uuid_keys keys_;
    std::unordered_map<uuid_text, origin> origins_; ///< addresses of elements are stable
    std::map<reader_id, reader> readers_;
    std::uint32_t last_reader_ = 0;
    std::size_t ready_ = 0;
    std::size_t holes_ = 0;
    std::size_t others_ = 0; ///< the sum over origins
    std::vector<uuid_text> wanted_;
    std::vector<uuid_text> unsettled_; ///< origins whose users have changed in this transaction
    std::vector<reader_id> changed_;
    /// Who reads what an owner owns; emptied by every change that might matter.
    std::unordered_map<uuid_text, audience_ptr> by_owner_;
    std::unordered_map<const origin *, past> past_; ///< of origins with watchers, in this transaction
    std::vector<reader_id> parted_;                 ///< readers with `former`
    std::set<reader_id> stirred_;
};

} // namespace walcast
