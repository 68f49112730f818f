#include "server/feed/relation.hpp"

#include <algorithm>
#include <atomic>
#include <utility>

namespace walcast {

namespace {
std::uint64_t next_relation_id() {
    static std::atomic<std::uint64_t> last{0};
    return ++last;
}
} // namespace

relation::relation(std::uint32_t oid, std::string schema, std::string name, char replica_identity,
                   std::vector<column> columns)
    : id_(next_relation_id())
    , oid_(oid)
    , schema_(std::move(schema))
    , name_(std::move(name))
    , replica_identity_(replica_identity)
    , columns_(std::move(columns))
    , has_secrets_(
          std::any_of(columns_.begin(), columns_.end(), [](const column &one) { return one.secret; }))
    , binary_known_(std::all_of(columns_.begin(), columns_.end(),
                                [](const column &one) { return pg_type::binary_known(one.type); })) {}

int relation::find(std::string_view column_name) const {
    for (std::size_t at = 0; at < columns_.size(); ++at)
        if (columns_[at].name == column_name)
            return static_cast<int>(at);
    return -1;
}

} // namespace walcast
