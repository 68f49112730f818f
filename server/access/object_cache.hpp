#pragma once

#include "server/access/object_facts.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace walcast {

/// The facts of the objects that changed or were asked for last, as they are at the position that the judge
/// has come to. An object that is known not to exist is an entry, too.
///
/// The stream keeps it current, so what is here needs no query, and is right where an answer says otherwise:
/// that is of another moment. Bounded: what was not used for longest goes, but for what is pinned.
class object_cache {
  public:
    explicit object_cache(std::size_t most)
        : most_(most) {}

    /// Null: not known.
    [[nodiscard]] const object_facts *find(std::string_view uuid);
    void set(const uuid_text &uuid, const object_facts &to);
    /// What a query has read; nothing changes if it is known already, or if the row is known to be gone.
    void set_read(const uuid_text &uuid, const object_facts &to);
    /// A row with this `id` is gone.
    void erase(object_class what, std::int64_t row_id);
    /// Forgets one, or all of a class: they have to be asked for again.
    void forget(const uuid_text &uuid);
    void forget(object_class what);
    void clear();

    /// The requests that are for a container, or the collections with some content; null: not all are known.
    [[nodiscard]] const std::vector<uuid_text> *linked_to(const uuid_text &what) const;
    /// The facts of all of them have been set.
    void complete(const uuid_text &what) { linked_[what].complete = true; }

    /// The facts of this object are kept once they are here, however long they are not used, and however many
    /// others there are; until as many calls of unpin().
    void pin(const uuid_text &uuid);
    void unpin(const uuid_text &uuid);

    /// Whose row this is, if that is known.
    [[nodiscard]] uuid_text object_of(object_class what, std::int64_t row_id) const;

    [[nodiscard]] std::size_t size() const { return places_.size(); }

  private:
    struct entry {
        uuid_text uuid;
        object_facts facts;
        bool pinned = false; ///< and in pinned_
    };
    using place = std::list<entry>::iterator;
    struct row_key {
        object_class what;
        std::int64_t id;
        bool operator==(const row_key &) const = default;
    };
    struct row_hash {
        std::size_t operator()(const row_key &of) const {
            return static_cast<std::size_t>(of.id) * 16 + static_cast<std::size_t>(of.what);
        }
    };

    /// Of what is linked to a container or content, that which is here; `complete`: that is all.
    struct link_list {
        std::vector<uuid_text> known;
        bool complete = false;
    };
    /// Rows that were deleted last, which an answer may still show.
    static constexpr std::size_t most_gone = 100'000;

    [[nodiscard]] static bool is_listed(const entry &of);
    void remove(place which);
    void use(place which);
    void evict();
    void index(const entry &of);
    void unindex(const entry &of);

    std::size_t most_;
    std::list<entry> entries_; ///< the one used last comes first
    std::list<entry> pinned_;
    std::unordered_map<uuid_text, unsigned> pins_; ///< and how often
    std::unordered_map<uuid_text, place> places_;
    std::unordered_map<row_key, uuid_text, row_hash> rows_;
    std::unordered_map<uuid_text, link_list> linked_;
    std::unordered_set<row_key, row_hash> gone_;
    std::deque<row_key> gone_in_order_;
};

} // namespace walcast
