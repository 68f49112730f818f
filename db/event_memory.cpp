#include "db/event_memory.hpp"

#include "db/connection.hpp"

#include <algorithm>
#include <system_error>
#include <utility>

namespace walcast {

namespace {
/// Rows of an earlier process that are worth reading again.
constexpr std::size_t most_read_again = 20'000;
} // namespace

event_memory::event_memory(std::string file, logger &log)
    : file_(std::move(file))
    , log_(log) {}

std::vector<std::int64_t> event_memory::open(const std::string &database) {
    if (database == database_)
        return {};
    database_ = database;
    seen_ = {};
    past_ = {};
    begun_ = false;
    std::vector<std::int64_t> known;
    try {
        if (auto read = file_.open(database, static_cast<std::size_t>(reach))) {
            known = std::move(*read);
            begun_ = true;
        }
    } catch (const std::system_error &error) {
        log_.warning("what was sent is not remembered across restarts",
                     {{"problem", one_line(error.what())}});
    }
    for (const auto id : known)
        seen_.insert(id);
    if (known.size() > most_read_again)
        known.erase(known.begin(), known.end() - static_cast<std::ptrdiff_t>(most_read_again));
    return known;
}

std::int64_t event_memory::floor(std::int64_t greatest) const {
    // From the greatest that was handed over, however many have come since: those are owed.
    return (begun_ ? std::min(greatest, std::max(seen_.greatest(), past_.greatest())) : greatest) - reach;
}

void event_memory::note(std::span<const std::int64_t> ids) {
    std::vector<std::int64_t> fresh;
    for (const auto id : ids)
        if (seen_.insert(id))
            fresh.push_back(id);
    if (fresh.empty())
        return;
    seen_.forget(seen_.greatest() - reach);
    try {
        file_.append(fresh);
    } catch (const std::system_error &error) {
        log_.warning("what was sent is no longer remembered across restarts",
                     {{"problem", one_line(error.what())}});
    }
}

void event_memory::note_past(std::span<const std::int64_t> ids) {
    for (const auto id : ids)
        past_.insert(id);
    past_.forget(past_.greatest() - reach);
}

void event_memory::note(std::span<const transaction_ptr> handed_over) {
    std::vector<std::int64_t> ids;
    for (const auto &one : handed_over)
        collect(*one, ids);
    note(ids);
}

void event_memory::collect(const transaction &from, std::vector<std::int64_t> &ids) {
    for (const auto &change : from.changes()) {
        if (change.kind != change_kind::insert)
            continue;
        const auto &table = *change.table;
        if (table.id() != logs_ && table.name() == "logs") {
            logs_ = table.id();
            place_ = table.find("id");
        }
        if (table.id() != logs_ || place_ < 0)
            continue;
        const auto id =
            to_integer(from.new_row(change)[place_], table.columns()[static_cast<std::size_t>(place_)].type);
        if (id)
            ids.push_back(*id);
    }
}

} // namespace walcast
