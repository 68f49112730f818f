#include "server/access/grants.hpp"

#include <algorithm>

namespace walcast {

namespace {
using kind = reader_term::kind;

/// Audiences of more owners than this are not remembered.
constexpr std::size_t most_owners = 10'000;

bool is_other(object_class what) {
    return what != object_class::group && what != object_class::user;
}
} // namespace

reader_id grants::add(const uuid_text &user) {
    const auto id = static_cast<reader_id>(++last_reader_);
    auto &one = readers_[id];
    one.id = id;
    one.user = user;
    one.self = &acquire(user);
    resolve(one); // and it may be ready by that: somebody who manages it is here
    by_owner_.clear();
    count_holes();
    return id;
}

void grants::remove(reader_id one) {
    const auto found = readers_.find(one);
    if (found == readers_.end())
        return;
    unwatch(one);
    for (const auto &[of, level] : found->second.me)
        release(*of);
    release(*found->second.self);
    readers_.erase(found);
    by_owner_.clear();
    count_holes();
}

bool grants::ready(reader_id one) const {
    const auto found = readers_.find(one);
    return found != readers_.end() && found->second.ready;
}

bool grants::whole(reader_id one) const {
    const auto found = readers_.find(one);
    return found != readers_.end() && found->second.ready && is_whole(found->second);
}

bool grants::is_whole(const reader &one) {
    return one.self->loaded &&
           std::all_of(one.me.begin(), one.me.end(), [](const auto &of) { return of.first->loaded; });
}

grants::origin &grants::acquire(const uuid_text &user) {
    auto &one = origins_[user];
    if (one.uses++ == 0)
        one.user = user;
    if (!one.loaded && !one.asked)
        want(one);
    return one;
}

void grants::release(origin &one) {
    if (--one.uses > 0)
        return;
    others_ -= one.others;
    past_.erase(&one);
    origins_.erase(uuid_text(one.user));
}

void grants::want(origin &one) {
    if (std::find(wanted_.begin(), wanted_.end(), one.user) == wanted_.end())
        wanted_.push_back(one.user);
}

std::vector<uuid_text> grants::take_wanted(std::size_t most, std::uint64_t query) {
    std::vector<uuid_text> taken;
    while (!wanted_.empty() && taken.size() < most) {
        const auto found = origins_.find(wanted_.back());
        wanted_.pop_back();
        if (found == origins_.end() || found->second.asked) // its last reader has left
            continue;
        found->second.asked = query;
        found->second.user_known = false;
        found->second.since.clear();
        taken.push_back(found->second.user);
    }
    return taken;
}

void grants::asked_again(std::uint64_t query, std::uint64_t as) {
    for (auto &[user, one] : origins_) {
        if (one.asked != query)
            continue;
        one.asked = as;
        one.user_known = false;
        one.since.clear();
    }
}

void grants::reload(bool usable) {
    for (auto &[user, one] : origins_) {
        one.loaded = one.loaded && usable;
        one.asked = 0; // what is under way may be of before
        want(one);
    }
    by_owner_.clear();
    count_holes();
}

void grants::install(const grant_rows &read, std::uint64_t query, std::span<const grant_change> to_come) {
    const auto found = origins_.find(read.user);
    if (found == origins_.end() || found->second.asked != query)
        return;
    auto &one = found->second;
    one.asked = 0;
    one.loaded = true;
    one.user_id = read.user_id;
    one.exists = read.user_id != 0 || (one.user_known && one.exists);
    one.rows.clear();
    one.rows.reserve(read.targets.size());
    one.users.clear();
    others_ -= std::exchange(one.others, 0);
    for (const auto &[target, granted] : read.targets)
        put(one, target, granted);
    for (const auto &change : std::exchange(one.since, {}))
        put(one, change.target, change.after);
    for (auto at = to_come.rbegin(); at != to_come.rend(); ++at)
        if (at->user == read.user)
            put(one, at->target, at->before);
    if (!one.user_known) {
        one.active = read.active;
        one.admin = read.admin;
    }
    by_owner_.clear();
    resolve_all(one);
    count_holes();
}

grant grants::put(origin &in, const uuid_text &target, grant to) {
    const auto key = keys_.make(target.view());
    if (!key)
        return {}; // no object has such a uuid
    const auto before = in.rows.set(key, to);
    note_target(in, target, before, to);
    return before;
}

void grants::note_target(origin &of, const uuid_text &target, grant before, grant after) {
    const auto what = class_of(target.view());
    if (is_other(what)) {
        const auto change =
            static_cast<std::size_t>(after.level > 0) - static_cast<std::size_t>(before.level > 0);
        of.others += change;
        others_ += change;
    }
    if (what == object_class::user) {
        std::erase_if(of.users, [&](const managed &one) { return one.user == target; });
        if (after.level > 0 && after.owned)
            of.users.push_back({target, after.level});
    }
}

void grants::apply(const grant_change &next) {
    const auto found = origins_.find(next.user);
    if (found == origins_.end())
        return;
    auto &one = found->second;
    if (one.asked)
        one.since.push_back(next);
    if (!one.loaded)
        return;
    const auto before = put(one, next.target, next.after);
    if (!one.watchers.empty())
        note_touched(one, next.target, before);
    by_owner_.clear();
    if (class_of(next.target.view()) == object_class::user)
        if (unsettled_.empty() || !(unsettled_.back() == one.user))
            unsettled_.push_back(one.user);
}

void grants::settle() {
    if (unsettled_.empty())
        return;
    for (const auto &user : std::exchange(unsettled_, {}))
        if (const auto found = origins_.find(user); found != origins_.end())
            resolve_all(found->second);
    count_holes();
}

void grants::apply_all_gone() {
    // Rare enough to read what is there again; until then nobody is judged.
    note_emptied();
    reload(false);
}

void grants::set_user(const uuid_text &user, bool active, bool admin) {
    const auto found = origins_.find(user);
    if (found == origins_.end())
        return;
    auto &one = found->second;
    one.user_known = one.exists = true;
    if (one.active == active && one.admin == admin)
        return;
    one.active = active;
    one.admin = admin;
    for (const auto &[id, each] : readers_)
        if (each.self == &one) {
            changed_.push_back(id);
            if (each.watched)
                stirred_.insert(id);
        }
    by_owner_.clear();
    count_holes();
}

void grants::user_gone(std::int64_t user_id) {
    for (auto &[user, one] : origins_)
        if (one.user_id == user_id)
            one.exists = false;
}

void grants::resolve_all(const origin &changed) {
    for (auto &[id, one] : readers_)
        if (one.self == &changed ||
            std::any_of(one.me.begin(), one.me.end(), [&](const auto &of) { return of.first == &changed; }))
            resolve(one);
}

void grants::resolve(reader &one) {
    // The new ones are taken before the old ones are let go: most are the same.
    origins me;
    for (const auto &[user, level] : std::vector<managed>(one.self->users))
        me.emplace_back(&acquire(user), level);
    std::sort(me.begin(), me.end());
    if (me != one.me) {
        changed_.push_back(one.id);
        if (one.watched)
            note_parted(one, me);
    }
    for (const auto &[of, level] : std::exchange(one.me, std::move(me))) {
        if (one.watched)
            cease_to_watch(one, *of);
        release(*of);
    }
    one.ready = one.ready || is_whole(one);
}

void grants::count_holes() {
    ready_ = holes_ = 0;
    for (const auto &[id, one] : readers_) {
        if (!one.ready || one.self->admin)
            continue;
        ++ready_;
        holes_ += is_whole(one) ? 0 : 1;
    }
}

bool grants::reaches(const reader &one, const uuid_key &target, std::uint8_t level, bool owned) const {
    return std::any_of(one.me.begin(), one.me.end(), [&](const auto &of) {
        if (of.second < level)
            return false;
        const auto granted = of.first->rows.find(target);
        return granted.level >= level && (granted.owned || !owned);
    });
}

bool grants::meets(const reader &one, const reader_term &term, const uuid_key &key) const {
    switch (term.what) {
    case kind::everyone:
        return true;
    case kind::active_users:
        return one.self->active;
    case kind::user:
        return one.user == term.uuid;
    case kind::user_number:
        return term.number != 0 && one.self->user_id == term.number;
    case kind::reaches:
        return reaches(one, key, term.level, false);
    case kind::owns:
        return reaches(one, key, term.level, true);
    }
    return false;
}

bool grants::may_read(reader_id who, std::span<const reader_term> terms) const {
    const auto found = readers_.find(who);
    if (found == readers_.end() || !found->second.ready)
        return false;
    return std::any_of(terms.begin(), terms.end(), [&](const reader_term &term) {
        return meets(found->second, term, keys_.find(term.uuid.view()));
    });
}

audience_ptr grants::audience_of(std::span<const reader_term> terms) {
    static const auto nobody = std::make_shared<const audience>();
    static const auto everyone = std::make_shared<const audience>(audience{.everyone = true, .readers = {}});
    // Most objects are nobody's target: then it is their owner alone that decides.
    std::vector<std::pair<const reader_term *, uuid_key>> left;
    for (const auto &term : terms) {
        if (term.what == kind::everyone)
            return everyone;
        if (term.what == kind::reaches && others_ == 0 && is_other(class_of(term.uuid.view())))
            continue;
        uuid_key key;
        if (term.what == kind::reaches || term.what == kind::owns) {
            key = keys_.find(term.uuid.view());
            if (!key)
                continue;
        }
        left.emplace_back(&term, key);
    }
    if (left.empty())
        return nobody;
    const bool by_owner = left.size() == 1 && left[0].first->what == kind::owns && left[0].first->level == 1;
    if (by_owner) {
        const auto known = by_owner_.find(left[0].first->uuid);
        if (known != by_owner_.end())
            return known->second;
    }
    audience made;
    for (const auto &[id, one] : readers_)
        if (one.ready && !one.self->admin &&
            std::any_of(left.begin(), left.end(), [&one = one, this](const auto &term) {
                return meets(one, *term.first, term.second);
            }))
            made.readers.push_back(id);
    auto shared = made.readers.empty() ? nobody : std::make_shared<const audience>(std::move(made));
    if (by_owner) {
        if (by_owner_.size() >= most_owners)
            by_owner_.clear();
        by_owner_.emplace(left[0].first->uuid, shared);
    }
    return shared;
}

grants::usage grants::used() const {
    usage sum{readers_.size(), origins_.size(), 0, 0};
    for (const auto &[user, one] : origins_) {
        sum.entries += one.rows.size();
        sum.bytes += one.rows.bytes();
    }
    return sum;
}

} // namespace walcast
