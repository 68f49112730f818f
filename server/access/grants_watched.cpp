// The part of grants that says what a transaction has done to what a reader reads.
//
// A transaction is worth what is left of it at its end: a rebuild takes every row out and puts it back. So of
// each origin that a watched reader reads by, the first touch of a target in a transaction remembers what was
// granted on it, and at the end only these targets are looked at, before and after. Where the origins
// themselves are others (somebody is managed, or is no more), the former ones are held, and kept current,
// until then: all of their targets are looked at.

#include "server/access/grants.hpp"

#include <algorithm>
#include <unordered_set>

namespace walcast {

namespace {

template <class Origins, class Origin>
bool has(const Origins &all, const Origin *one) {
    return std::any_of(all.begin(), all.end(), [&](const auto &each) { return each.first == one; });
}

void add_once(std::vector<reader_id> &to, reader_id one) {
    if (std::find(to.begin(), to.end(), one) == to.end())
        to.push_back(one);
}

} // namespace

void grants::watch(reader_id one) {
    const auto found = readers_.find(one);
    if (found == readers_.end() || std::exchange(found->second.watched, true))
        return;
    for (const auto &[of, level] : found->second.me)
        add_once(of->watchers, one);
}

void grants::unwatch(reader_id one) {
    const auto found = readers_.find(one);
    if (found == readers_.end() || !std::exchange(found->second.watched, false))
        return;
    auto &whose = found->second;
    for (const auto &[of, level] : whose.me)
        std::erase(of->watchers, one);
    if (whose.former) {
        for (const auto &[of, level] : *whose.former) {
            std::erase(of->watchers, one);
            release(*of);
        }
        whose.former.reset();
        std::erase(parted_, one);
    }
    stirred_.erase(one);
}

void grants::note_touched(const origin &of, const uuid_text &target, grant before) {
    const auto key = keys_.find(target.view());
    if (!key)
        return;
    const auto [at, fresh] = past_.try_emplace(&of);
    if (fresh)
        stirred_.insert(of.watchers.begin(), of.watchers.end());
    if (!at->second.rows)
        at->second.touched.try_emplace(key, before);
}

void grants::note_emptied() {
    for (auto &[user, one] : origins_) {
        if (one.watchers.empty() || !one.loaded)
            continue;
        stirred_.insert(one.watchers.begin(), one.watchers.end());
        auto &before = past_[&one];
        if (before.rows)
            continue;
        before.rows = std::exchange(one.rows, {});
        for (const auto &[key, granted] : std::exchange(before.touched, {}))
            before.rows->set(key, granted);
    }
}

void grants::note_parted(reader &one, const origins &next) {
    stirred_.insert(one.id);
    if (!one.former) {
        one.former = one.me;
        parted_.push_back(one.id);
        for (const auto &[of, level] : one.me)
            ++of->uses;
    }
    for (const auto &[of, level] : next)
        add_once(of->watchers, one.id);
}

void grants::cease_to_watch(const reader &one, origin &of) {
    if (!has(one.me, &of) && !(one.former && has(*one.former, &of)))
        std::erase(of.watchers, one.id);
}

void grants::forget_past() {
    past_.clear();
    stirred_.clear();
    for (const auto id : std::exchange(parted_, {})) {
        auto &one = readers_.at(id);
        const auto former = std::exchange(one.former, std::nullopt).value_or(origins());
        for (const auto &[of, level] : former) {
            cease_to_watch(one, *of);
            release(*of);
        }
    }
}

grant grants::before_of(const origin &of, const uuid_key &target) const {
    const auto known = past_.find(&of);
    if (known == past_.end())
        return of.rows.find(target);
    if (known->second.rows)
        return known->second.rows->find(target);
    const auto touched = known->second.touched.find(target);
    return touched == known->second.touched.end() ? of.rows.find(target) : touched->second;
}

reading grants::state_of(reader_id one) const {
    reading made;
    const auto found = readers_.find(one);
    if (found == readers_.end())
        return made;
    const auto &whose = found->second;
    made.all = whose.self->admin;
    made.exists = whose.self->exists;
    made.alone = whose.me.size() == 1 && whose.me.front().first == whose.self;
    return made;
}

reading grants::reading_of(reader_id one) const {
    auto made = state_of(one);
    const auto found = readers_.find(one);
    if (found == readers_.end())
        return made;
    const auto &whose = found->second;
    for (auto at = whose.me.begin(); at != whose.me.end(); ++at) {
        if (at == whose.me.begin()) {
            made.count = at->first->rows.size();
            continue;
        }
        at->first->rows.for_each([&](const uuid_key &target, grant) {
            made.count += std::none_of(whose.me.begin(), at, [&](const auto &other) {
                return other.first->rows.find(target).level > 0;
            });
        });
    }
    return made;
}

reading_change grants::change_of(reader_id who) const {
    reading_change made;
    const auto found = readers_.find(who);
    if (found == readers_.end())
        return made;
    const auto &now = found->second.me;
    const auto &before = found->second.former ? *found->second.former : now;
    // The same origin before and after, which is nearly always so: it has no target twice.
    const bool many = now.size() != 1 || before != now;
    std::unordered_set<uuid_key, uuid_key_hash> seen;
    std::vector<uuid_key> gained, lost;
    const auto look = [&](const uuid_key &target) {
        if (many && !seen.insert(target).second)
            return;
        const bool was = std::any_of(before.begin(), before.end(),
                                     [&](const auto &of) { return before_of(*of.first, target).level > 0; });
        const bool is = std::any_of(now.begin(), now.end(),
                                    [&](const auto &of) { return of.first->rows.find(target).level > 0; });
        if (was != is)
            (is ? gained : lost).push_back(target);
    };
    const auto look_at = [&](const origin &of, bool all) {
        const auto known = past_.find(&of);
        const bool emptied = known != past_.end() && known->second.rows;
        if (known != past_.end())
            for (const auto &[target, granted] : known->second.touched)
                look(target);
        if (emptied)
            known->second.rows->for_each([&](const uuid_key &target, grant) { look(target); });
        if (all || emptied)
            of.rows.for_each([&](const uuid_key &target, grant) {
                if (many || !emptied || known->second.rows->find(target).level == 0)
                    look(target);
            });
    };
    for (const auto &[of, level] : before)
        look_at(*of, !has(now, of));
    for (const auto &[of, level] : now)
        if (!has(before, of))
            look_at(*of, true);
    const auto name = [&](std::vector<uuid_key> &all, std::vector<uuid_text> &into) {
        const auto most = std::min(all.size(), reading_change::most_named);
        const auto end = all.begin() + static_cast<std::ptrdiff_t>(most);
        std::partial_sort(all.begin(), end, all.end(),
                          [&](const auto &one, const auto &other) { return keys_.comes_before(one, other); });
        for (auto at = all.begin(); at != end; ++at)
            into.emplace_back(keys_.text(*at));
        return all.size();
    };
    made.gained = name(gained, made.gained_uuids);
    made.lost = name(lost, made.lost_uuids);
    return made;
}

} // namespace walcast
