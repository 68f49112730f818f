#include "server/feed/record_class.hpp"

#include <algorithm>
#include <utility>

namespace walcast {

namespace {

constexpr std::size_t uuid_size = 27, infix_at = 6, infix_size = 5;

bool letter_or_digit(char one) {
    return (one >= 'a' && one <= 'z') || (one >= '0' && one <= '9') || (one >= 'A' && one <= 'Z');
}

} // namespace

bool record_class::has_row_ids() const {
    return std::find(published.begin(), published.end(), "id") != published.end();
}

record_classes::record_classes(std::vector<record_class> all)
    : all_(std::move(all)) {
    for (const auto &one : all_) {
        by_infix_.emplace(one.infix, &one);
        by_table_.emplace(one.table, &one);
    }
}

const record_class *record_classes::of_uuid(std::string_view uuid) const {
    if (uuid.size() != uuid_size)
        return nullptr;
    for (std::size_t at = 0; at < uuid_size; ++at) {
        const bool dash = at == infix_at - 1 || at == infix_at + infix_size;
        if (dash ? uuid[at] != '-' : !letter_or_digit(uuid[at]))
            return nullptr;
    }
    const auto found = by_infix_.find(uuid.substr(infix_at, infix_size));
    return found == by_infix_.end() ? nullptr : found->second;
}

const record_class *record_classes::of_table(std::string_view schema, std::string_view table) const {
    if (schema != "public")
        return nullptr;
    const auto found = by_table_.find(table);
    return found == by_table_.end() ? nullptr : found->second;
}

} // namespace walcast
