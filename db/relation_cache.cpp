#include "db/relation_cache.hpp"

#include "db/secret_columns.hpp"

#include <utility>

namespace walcast {

namespace {
/// The server sends no namespace for tables of pg_catalog.
std::string_view schema_of(const pgoutput::relation &message) {
    return message.schema.empty() ? std::string_view("pg_catalog") : message.schema;
}

bool same_shape(const relation &known, const pgoutput::relation &message) {
    if (known.name() != message.name || known.schema() != schema_of(message) ||
        known.replica_identity() != message.replica_identity ||
        known.columns().size() != message.column_count)
        return false;
    bool same = true;
    auto next = known.columns().begin();
    message.for_each([&](const pgoutput::relation_column &said) {
        same = same && next->name == said.name && next->type == said.type &&
               next->modifier == said.modifier && next->key == said.key;
        ++next;
    });
    return same;
}

relation_ptr make_relation(const pgoutput::relation &message) {
    std::vector<column> columns;
    columns.reserve(message.column_count);
    message.for_each([&](const pgoutput::relation_column &said) {
        columns.push_back(
            {std::string(said.name), said.type, said.modifier, said.key, is_secret(message.name, said.name)});
    });
    return std::make_shared<relation>(message.oid, std::string(schema_of(message)), std::string(message.name),
                                      message.replica_identity, std::move(columns));
}
} // namespace

const relation_cache::entry *relation_cache::lookup(std::uint32_t oid) const {
    const auto found = entries_.find(oid);
    return found == entries_.end() ? nullptr : &found->second;
}

const relation_ptr &relation_cache::apply(const pgoutput::relation &message, std::uint64_t receipt,
                                          const relation_cache *base) {
    auto &known = entries_[message.oid];
    known.receipt = receipt;
    if (known.table && same_shape(*known.table, message))
        return known.table;
    const auto *other = base ? base->lookup(message.oid) : nullptr;
    if (other && same_shape(*other->table, message))
        known.table = other->table;
    else
        known.table = make_relation(message);
    return known.table;
}

const relation_ptr &relation_cache::find(std::uint32_t oid) const {
    static const relation_ptr none;
    const auto *known = lookup(oid);
    return known && known->receipt >= valid_from_ ? known->table : none;
}

void relation_cache::merge(const relation_cache &from) {
    for (const auto &[oid, theirs] : from.entries_) {
        auto &ours = entries_[oid];
        if (!ours.table || ours.receipt < theirs.receipt)
            ours = theirs;
    }
}

} // namespace walcast
