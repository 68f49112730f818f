#include "server/session/principal_watch.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace walcast {

namespace {
/// An answer that is older than this may have missed what is forgotten by now.
constexpr std::int64_t remembered_us = 60'000'000;
constexpr std::size_t most_transactions = std::size_t{1} << 16;
} // namespace

void principal_watch::read(const transaction &segment) {
    for (const auto &one : segment.changes()) {
        auto found = reader_.read(segment, one);
        if (!found)
            continue;
        pending_xid_ = segment.xid();
        pending_at_us_ = segment.committed_at();
        pending_.push_back(std::move(*found));
    }
}

bool principal_watch::complete(std::uint64_t from, std::int64_t now_us) {
    if (pending_.empty())
        return false;
    bool told = false;
    // In the order of the changes; to be told of one may make a session watch another principal.
    for (const auto &what : pending_) {
        std::unordered_set<listener *> concerned;
        find(what, concerned);
        for (auto *one : concerned)
            one->principal_changed(what, pending_at_us_, from);
        told |= !concerned.empty();
    }
    committed made{pending_xid_, pending_at_us_, now_us, true, std::exchange(pending_, {})};
    changes_ += made.changes.size();
    recent_.push_back(std::move(made));
    forget(now_us);
    return told;
}

void principal_watch::forget(std::int64_t now_us) {
    while (!recent_.empty() && (recent_.size() > most_transactions ||
                                (now_us - recent_.front().at_us > remembered_us && newest_asked_us_ >= 0 &&
                                 newest_seen_.sees(recent_.front().xid)))) {
        changes_ -= recent_.front().changes.size();
        recent_.pop_front();
    }
    for (auto one = recent_.begin(); changes_ > most_changes && one != recent_.end(); ++one) {
        if (one->changes.empty())
            continue;
        changes_ -= one->changes.size();
        one->whole = false;
        one->changes = {};
    }
}

void principal_watch::begin_anew(std::int64_t now_us) {
    pending_.clear();
    recent_.clear();
    changes_ = 0;
    newest_seen_ = {};
    newest_asked_us_ = -1;
    since_us_ = now_us;
}

bool principal_watch::bring_up_to_date(verdict &answer, std::int64_t now_us) {
    if (answer.asked_at_us < 0)
        return true; // timeless
    // The clock was set back: what is asked from now on is as good as before.
    since_us_ = std::min(since_us_, now_us);
    newest_asked_us_ = std::min(newest_asked_us_, now_us);
    if (answer.asked_at_us < since_us_ || now_us - answer.asked_at_us > remembered_us)
        return answer.is == verdict::finding::valid && !answer.seen && answer.asked_at_us >= since_us_;
    if (!answer.seen)
        return true; // from elsewhere, and the database had no row to bear it out
    if (answer.asked_at_us > newest_asked_us_) {
        newest_seen_ = *answer.seen;
        newest_asked_us_ = answer.asked_at_us;
    }
    for (const auto &one : recent_) {
        if (answer.seen->sees(one.xid))
            continue;
        if (!one.whole)
            return false;
        if (answer.is != verdict::finding::valid)
            continue;
        for (const auto &what : one.changes)
            if (concerns(what, answer.who) && !apply(what, one.committed_at_us, answer.who))
                return false;
    }
    return true;
}

void principal_watch::watch(listener &who, const principal &as) {
    unwatch(who);
    interest made{as.token_id, as.user_id, {}};
    if (as.token_id != 0)
        by_token_[as.token_id].insert(&who);
    if (as.user_id != 0)
        by_user_[as.user_id].insert(&who);
    if (!as.container_uuid.empty())
        made.names.push_back(as.container_uuid);
    // Only the API vouches for it, and the database may have something to say about it nevertheless. (What
    // has neither rows nor an end is of the configuration.)
    if (as.token_id == 0 && as.refreshes_at != std::numeric_limits<std::int64_t>::max()) {
        made.names.push_back(as.token_uuid);
        made.names.push_back(as.user_uuid);
    }
    for (const auto &name : made.names)
        by_name_[name].insert(&who);
    if (made.token_id != 0 || made.user_id != 0 || !made.names.empty())
        interests_.emplace(&who, std::move(made));
}

template <class Key>
void principal_watch::erase(index<Key> &from, const Key &key, listener *who) {
    const auto found = from.find(key);
    if (found == from.end())
        return;
    found->second.erase(who);
    if (found->second.empty())
        from.erase(found);
}

void principal_watch::unwatch(listener &who) {
    const auto found = interests_.find(&who);
    if (found == interests_.end())
        return;
    erase(by_token_, found->second.token_id, &who);
    erase(by_user_, found->second.user_id, &who);
    for (const auto &name : found->second.names)
        erase(by_name_, name, &who);
    interests_.erase(found);
}

void principal_watch::find(const principal_change &what, std::unordered_set<listener *> &into) const {
    const auto add = [&](const auto &from, const auto &key) {
        if (const auto found = from.find(key); found != from.end())
            into.insert(found->second.begin(), found->second.end());
    };
    switch (what.of) {
    case principal_change::subject::token:
        add(by_token_, what.id);
        break;
    case principal_change::subject::user:
        add(by_user_, what.id);
        break;
    case principal_change::subject::container:
        break;
    case principal_change::subject::all:
        for (const auto &[one, registered] : interests_)
            into.insert(one);
        return;
    }
    if (!what.uuid.empty())
        add(by_name_, what.uuid);
}

} // namespace walcast
