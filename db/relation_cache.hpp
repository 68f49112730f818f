#pragma once

#include "db/pgoutput_messages.hpp"
#include "server/feed/relation.hpp"

#include <cstdint>
#include <unordered_map>

namespace walcast {

/// What the server has said about tables: OID to relation. A description with the shape already known keeps
/// the old object, because readers downstream key their caches by its id; another shape makes a new one.
///
/// `receipt` numbers say in which order descriptions arrived. They decide what is newer when a streamed
/// transaction's descriptions, kept until its commit, meet those that others sent meanwhile.
class relation_cache {
  public:
    /// `base`, when given, is where an object of the same shape may be taken from too.
    const relation_ptr &apply(const pgoutput::relation &message, std::uint64_t receipt,
                              const relation_cache *base = nullptr);
    /// Null when the table was not described on this connection.
    [[nodiscard]] const relation_ptr &find(std::uint32_t oid) const;

    /// Takes over everything from `from` that arrived after what is known here.
    void merge(const relation_cache &from);
    /// A new connection: the server describes every table anew before using it. The objects are kept for
    /// comparison.
    void begin_connection(std::uint64_t receipt) { valid_from_ = receipt; }

  private:
    struct entry {
        relation_ptr table;
        std::uint64_t receipt = 0;
    };

    [[nodiscard]] const entry *lookup(std::uint32_t oid) const;

    std::unordered_map<std::uint32_t, entry> entries_;
    std::uint64_t valid_from_ = 0;
};

} // namespace walcast
