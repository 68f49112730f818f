#include "server/access/object_cache.hpp"

#include <algorithm>

namespace walcast {

const object_facts *object_cache::find(std::string_view uuid) {
    const auto found = places_.find(uuid_text(uuid));
    if (found == places_.end())
        return nullptr;
    use(found->second);
    return &found->second->facts;
}

void object_cache::set(const uuid_text &uuid, const object_facts &to) {
    if (uuid.empty())
        return;
    const auto found = places_.find(uuid);
    if (found == places_.end()) {
        const bool pinned = !pins_.empty() && pins_.contains(uuid);
        auto &list = pinned ? pinned_ : entries_;
        list.push_front({uuid, to, pinned});
        places_.emplace(uuid, list.begin());
        index(list.front());
        evict();
        return;
    }
    auto &one = *found->second;
    if (one.facts.exists != to.exists || one.facts.row_id != to.row_id || !(one.facts.linked == to.linked)) {
        unindex(one);
        one.facts = to;
        index(one);
    } else {
        one.facts = to;
    }
    use(found->second);
}

void object_cache::set_read(const uuid_text &uuid, const object_facts &to) {
    if (places_.contains(uuid))
        return;
    const bool is_gone = to.exists && gone_.contains({class_of(uuid.view()), to.row_id});
    set(uuid, is_gone ? object_facts() : to);
}

void object_cache::erase(object_class what, std::int64_t row_id) {
    const row_key key{what, row_id};
    if (gone_.insert(key).second) {
        gone_in_order_.push_back(key);
        if (gone_in_order_.size() > most_gone) {
            gone_.erase(gone_in_order_.front());
            gone_in_order_.pop_front();
        }
    }
    const auto found = rows_.find(key);
    if (found != rows_.end())
        set(uuid_text(found->second), {});
}

void object_cache::forget(const uuid_text &uuid) {
    const auto found = places_.find(uuid);
    if (found == places_.end())
        return;
    const auto list = linked_.find(found->second->facts.linked);
    if (list != linked_.end() && is_listed(*found->second))
        list->second.complete = false;
    remove(found->second);
}

void object_cache::forget(object_class what) {
    for (auto *list : {&entries_, &pinned_})
        for (auto at = list->begin(); at != list->end();) {
            const auto here = at++;
            if (class_of(here->uuid.view()) == what)
                remove(here);
        }
    if (what == object_class::container_request || what == object_class::collection)
        for (auto &[key, list] : linked_)
            list.complete = false;
}

void object_cache::clear() {
    entries_.clear();
    pinned_.clear();
    places_.clear();
    rows_.clear();
    linked_.clear();
    gone_.clear();
    gone_in_order_.clear();
}

const std::vector<uuid_text> *object_cache::linked_to(const uuid_text &what) const {
    const auto found = linked_.find(what);
    return found == linked_.end() || !found->second.complete ? nullptr : &found->second.known;
}

void object_cache::pin(const uuid_text &uuid) {
    if (pins_[uuid]++ > 0)
        return;
    const auto found = places_.find(uuid);
    if (found == places_.end())
        return;
    found->second->pinned = true;
    pinned_.splice(pinned_.begin(), entries_, found->second);
}

void object_cache::unpin(const uuid_text &uuid) {
    const auto pin = pins_.find(uuid);
    if (pin == pins_.end() || --pin->second > 0)
        return;
    pins_.erase(pin);
    const auto found = places_.find(uuid);
    if (found == places_.end())
        return;
    found->second->pinned = false;
    entries_.splice(entries_.begin(), pinned_, found->second);
    evict();
}

uuid_text object_cache::object_of(object_class what, std::int64_t row_id) const {
    const auto found = rows_.find({what, row_id});
    return found == rows_.end() ? uuid_text() : found->second;
}

void object_cache::use(place which) {
    if (!which->pinned)
        entries_.splice(entries_.begin(), entries_, which);
}

void object_cache::evict() {
    if (entries_.size() > most_)
        forget(uuid_text(entries_.back().uuid));
}

bool object_cache::is_listed(const entry &of) {
    const auto what = class_of(of.uuid.view());
    return of.facts.exists && !of.facts.linked.empty() &&
           (what == object_class::container_request || what == object_class::collection);
}

void object_cache::remove(place which) {
    unindex(*which);
    places_.erase(which->uuid);
    (which->pinned ? pinned_ : entries_).erase(which);
}

void object_cache::index(const entry &of) {
    if (!of.facts.exists)
        return;
    const auto what = class_of(of.uuid.view());
    if (of.facts.row_id != 0) {
        const auto row = rows_.find({what, of.facts.row_id});
        if (row != rows_.end() && !(row->second == of.uuid)) // the row had another uuid before
            set(uuid_text(row->second), {});
        rows_[{what, of.facts.row_id}] = of.uuid;
    }
    if (is_listed(of))
        linked_[of.facts.linked].known.push_back(of.uuid);
}

void object_cache::unindex(const entry &of) {
    if (!of.facts.exists)
        return;
    const auto what = class_of(of.uuid.view());
    const auto row = rows_.find({what, of.facts.row_id});
    if (row != rows_.end() && row->second == of.uuid)
        rows_.erase(row);
    const auto list = linked_.find(of.facts.linked);
    if (!is_listed(of) || list == linked_.end())
        return;
    std::erase(list->second.known, of.uuid);
    if (list->second.known.empty() && !list->second.complete)
        linked_.erase(list);
}

} // namespace walcast
