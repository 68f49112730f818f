#include "server/judge/watched_objects.hpp"

#include "server/access/object_columns.hpp"

#include <algorithm>
#include <iterator>

namespace walcast {

namespace {

/// So much is asked for at once: with more missing, what else may be missing can wait.
constexpr std::size_t enough_missing = 1'000;

/// Whether the object's own row says if it can be read.
bool has_row(object_class what) {
    return what != object_class::container && !columns_of(what).empty();
}

bool comes_before(const uuid_text &one, const uuid_text &other) {
    return one.view() < other.view();
}

void add(std::vector<uuid_text> &to, const std::vector<uuid_text> &more) {
    to.insert(to.end(), more.begin(), more.end());
}

} // namespace

watched_objects::watched_objects(const reader_rules &rules, object_cache &objects,
                                 const hidden_groups &hidden, grants &readers)
    : rules_(rules)
    , cache_(objects)
    , hidden_(hidden)
    , grants_(readers) {}

void watched_objects::watch(reader_id who, const uuid_text &object, std::uint64_t number, bool settling,
                            std::vector<object_verdict> &into) {
    if (!grants_.knows(who)) {
        into.push_back({number, who, object, finding::hidden});
        return;
    }
    auto &one = objects_[object];
    one.uuid = object;
    auto &each = one.readers[who];
    readers_[who].insert(&one);
    ++each.uses;
    if (forbidden_ && !each.told) {
        each.told = finding::hidden;
        ++one.told;
    }
    if (each.told && !one.stale && !settling) {
        into.push_back({number, who, object, *each.told});
        return;
    }
    each.asked = true;
    asking_.insert(&one);
}

void watched_objects::unwatch(reader_id who, const uuid_text &object) {
    const auto found = objects_.find(object);
    if (found == objects_.end())
        return;
    auto &one = found->second;
    const auto each = one.readers.find(who);
    if (each == one.readers.end() || --each->second.uses > 0)
        return;
    stuck_ = false; // it may have been this one
    one.told -= each->second.told ? 1 : 0;
    one.readers.erase(each);
    const auto theirs = readers_.find(who);
    theirs->second.erase(&one);
    if (theirs->second.empty())
        readers_.erase(theirs);
    if (one.readers.empty())
        forget(one);
}

bool watched_objects::watches(reader_id who, const uuid_text &object) const {
    const auto found = objects_.find(object);
    return found != objects_.end() && found->second.readers.contains(who);
}

void watched_objects::remove(reader_id who) {
    const auto theirs = readers_.find(who);
    if (theirs == readers_.end())
        return;
    for (auto *one : std::vector(theirs->second.begin(), theirs->second.end())) {
        one->readers.at(who).uses = 1;
        unwatch(who, uuid_text(one->uuid));
    }
}

void watched_objects::forget(watched &one) {
    set_keys(one, {});
    set_due(one, object_facts::never);
    dirty_.erase(&one);
    asking_.erase(&one);
    parked_.erase(&one);
    objects_.erase(uuid_text(one.uuid));
}

bool watched_objects::touch(const uuid_text &what) {
    const auto found = keys_.find(what);
    if (found == keys_.end())
        return false;
    if (!std::exchange(found->second.touched, true))
        touched_.push_back(what);
    return true;
}

void watched_objects::touch_all() {
    for (auto &[uuid, one] : objects_)
        if (one.told > 0)
            dirty_.insert(&one);
}

void watched_objects::note(const access_change &change) {
    if (const auto *grant = std::get_if<grant_change>(&change)) {
        if (grants_.follows(grant->user))
            touch(grant->target);
    } else if (const auto *trash = std::get_if<trash_change>(&change)) {
        touch(trash->group);
    } else if (const auto *freeze = std::get_if<freeze_change>(&change)) {
        touch(freeze->group);
    } else if (const auto *object = std::get_if<object_change>(&change)) {
        // Whoever looked at it through what it was linked to before, looked at it itself, too.
        touch(object->facts.linked);
        if (!touch(object->uuid) || !object->facts.exists)
            return;
        if (const auto found = objects_.find(object->uuid); found != objects_.end())
            found->second.owner = object->facts.owner;
    } else if (const auto *gone = std::get_if<object_gone>(&change)) {
        touch(cache_.object_of(gone->what, gone->row_id));
    } else {
        touch_all();
    }
}

void watched_objects::note_reader(reader_id who) {
    const auto theirs = readers_.find(who);
    if (theirs == readers_.end())
        return;
    for (auto *one : theirs->second)
        if (one->readers.at(who).told)
            dirty_.insert(one);
}

void watched_objects::begin_anew() {
    touch_all();
    for (auto *one : dirty_)
        one->stale = true;
    news();
}

void watched_objects::forbid(bool all) {
    if (std::exchange(forbidden_, all) != all)
        begin_anew();
}

void watched_objects::news() {
    stuck_ = false;
    asking_.merge(parked_);
    parked_.clear();
}

void watched_objects::pass(std::int64_t now_us) {
    while (!due_.empty() && due_.begin()->first <= now_us) {
        auto &one = *due_.begin()->second;
        set_due(one, object_facts::never);
        one.at_us = std::max(one.at_us, now_us);
        one.stale = true;
        dirty_.insert(&one);
    }
}

bool watched_objects::unsettled() {
    for (const auto &what : std::exchange(touched_, {})) {
        const auto found = keys_.find(what);
        if (found == keys_.end())
            continue;
        found->second.touched = false;
        for (auto *one : found->second.of)
            if (one->told > 0)
                dirty_.insert(one);
    }
    return !dirty_.empty();
}

bool watched_objects::settle(std::uint64_t number, std::int64_t committed_at_us,
                             std::vector<object_verdict> &into, std::vector<uuid_text> &missing) {
    if (stuck_)
        return false;
    for (auto at = dirty_.begin(); at != dirty_.end() && missing.size() < enough_missing;) {
        auto &one = **at;
        if (one.told == 0) {
            at = dirty_.erase(at);
            continue;
        }
        auto made = whole(one) ? evaluate(one, committed_at_us, missing) : std::nullopt;
        if (!made) {
            stuck_ = true;
            ++at;
            continue;
        }
        at = dirty_.erase(at);
        (void)tell(one, *made, number, false, into);
        keep(one, std::move(*made));
        if (parked_.erase(&one) > 0)
            asking_.insert(&one);
    }
    return dirty_.empty();
}

void watched_objects::answer(std::uint64_t number, std::int64_t now_us, std::vector<object_verdict> &into,
                             std::vector<uuid_text> &missing, std::vector<uuid_text> &wanted) {
    (void)settle(number, now_us, into, missing);
    for (auto at = asking_.begin(); at != asking_.end() && wanted.size() < enough_missing;) {
        auto &one = **at;
        at = asking_.erase(at);
        auto made = dirty_.contains(&one) ? std::nullopt : evaluate(one, now_us, wanted);
        if (!made || !tell(one, *made, number, true, into))
            parked_.insert(&one);
        if (made)
            keep(one, std::move(*made));
    }
}

std::optional<watched_objects::evaluation> watched_objects::evaluate(watched &one, std::int64_t at_us,
                                                                     std::vector<uuid_text> &missing) {
    evaluation made;
    if (forbidden_)
        return made;
    one.at_us = std::max(one.at_us, at_us);
    made.rule = rules_.readers_of(one.uuid.view(), cache_, hidden_, one.at_us, &made.trace);
    if (!made.rule.known()) {
        add(missing, made.rule.missing);
        return std::nullopt;
    }
    if (!has_row(class_of(one.uuid.view())))
        return made;
    const auto *facts = cache_.find(one.uuid.view());
    made.exists = facts != nullptr && facts->exists;
    if (made.exists || !one.existed || one.told == 0)
        return made;
    made.owners = rules_.readers_of(one.owner.view(), cache_, hidden_, one.at_us);
    if (made.owners->known())
        return made;
    add(missing, made.owners->missing);
    return std::nullopt;
}

bool watched_objects::whole(const watched &one) const {
    return forbidden_ || std::all_of(one.readers.begin(), one.readers.end(), [&](const auto &each) {
               return !each.second.told || grants_.whole(each.first);
           });
}

bool watched_objects::tell(watched &one, const evaluation &of, std::uint64_t number, bool answers,
                           std::vector<object_verdict> &into) {
    bool all = true;
    for (auto &[who, each] : one.readers) {
        if (!each.told && !answers)
            continue;
        if (!forbidden_ && !grants_.whole(who)) {
            all = false;
            continue;
        }
        const bool readable = grants_.may_read(who, of.rule.terms);
        const bool was = each.told == finding::readable;
        // Who was told of a deletion sees what comes back only if it may read that.
        const bool back = each.told == finding::gone && of.exists;
        const bool changed = !each.told || was != readable || back;
        if (changed) {
            const bool gone = was && of.owners && grants_.may_read(who, of.owners->terms);
            one.told += each.told ? 0 : 1;
            each.told = readable ? finding::readable : gone ? finding::gone : finding::hidden;
        }
        if (changed || (answers && each.asked))
            into.push_back({number, who, one.uuid, *each.told});
        each.asked = each.asked && !answers;
    }
    return all;
}

void watched_objects::keep(watched &one, evaluation of) {
    one.stale = false;
    one.existed = of.exists;
    if (const auto *facts = cache_.find(one.uuid.view()); facts != nullptr && facts->exists)
        one.owner = facts->owner;
    set_due(one, of.trace.until_us);
    auto &keys = of.trace.consulted;
    std::sort(keys.begin(), keys.end(), comes_before);
    keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
    set_keys(one, std::move(keys));
}

void watched_objects::set_keys(watched &one, std::vector<uuid_text> keys) {
    if (keys == one.keys)
        return;
    std::vector<uuid_text> fresh, old;
    std::set_difference(keys.begin(), keys.end(), one.keys.begin(), one.keys.end(), std::back_inserter(fresh),
                        comes_before);
    std::set_difference(one.keys.begin(), one.keys.end(), keys.begin(), keys.end(), std::back_inserter(old),
                        comes_before);
    for (const auto &what : fresh) {
        auto &users = keys_[what].of;
        if (users.empty())
            cache_.pin(what);
        users.insert(&one);
    }
    for (const auto &what : old) {
        const auto found = keys_.find(what);
        found->second.of.erase(&one);
        if (found->second.of.empty()) {
            cache_.unpin(what);
            keys_.erase(found);
        }
    }
    one.keys = std::move(keys);
}

void watched_objects::set_due(watched &one, std::int64_t at_us) {
    if (one.due_us == at_us)
        return;
    if (one.due_us != object_facts::never)
        due_.erase({one.due_us, &one});
    one.due_us = at_us;
    if (at_us != object_facts::never)
        due_.emplace(at_us, &one);
}

} // namespace walcast
