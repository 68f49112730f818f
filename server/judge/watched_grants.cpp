#include "server/judge/watched_grants.hpp"

#include <utility>

namespace walcast {

std::uint64_t watched_grants::watch(reader_id who, const uuid_text &user) {
    auto &one = users_[who];
    one.user = user;
    one.ticket = ++tickets_;
    if (one.uses++ == 0)
        grants_.watch(who);
    asking_.insert(who);
    return one.ticket;
}

void watched_grants::unwatch(reader_id who) {
    const auto found = users_.find(who);
    if (found != users_.end() && --found->second.uses == 0)
        remove(who);
}

void watched_grants::remove(reader_id who) {
    if (users_.erase(who) == 0)
        return;
    asking_.erase(who);
    grants_.unwatch(who);
}

void watched_grants::begin_anew(std::uint64_t epoch) {
    epoch_ = epoch;
    ask_all();
}

void watched_grants::forbid(bool all) {
    if (std::exchange(forbidden_, all) != all)
        ask_all();
}

void watched_grants::ask_all() {
    grants_.forget_past();
    for (auto &[who, one] : users_) {
        one.told.reset();
        asking_.insert(who);
    }
}

bool watched_grants::settle_stirred(std::uint64_t number, std::vector<grants_report> &into) {
    // Who has not been told anything yet is told how things are when it is known, and needs no difference.
    const auto told = [this](reader_id who) -> watched * {
        const auto found = users_.find(who);
        return found == users_.end() || !found->second.told ? nullptr : &found->second;
    };
    for (const auto who : grants_.stirred())
        if (told(who) != nullptr && !grants_.whole(who))
            return false;
    for (const auto who : grants_.stirred()) {
        auto *one = told(who);
        if (one == nullptr)
            continue;
        auto change = grants_.change_of(who);
        auto now = grants_.state_of(who);
        now.count = one->told->count + change.gained - change.lost;
        if (now == *one->told && change.empty())
            continue;
        one->told = now;
        into.push_back({number, epoch_, one->ticket, one->user, now, std::move(change)});
    }
    grants_.forget_past();
    return true;
}

void watched_grants::answer_asking(std::uint64_t number, std::vector<grants_report> &into) {
    grants_.forget_past(); // of no transaction: what was read for who waits here
    for (auto at = asking_.begin(); at != asking_.end();) {
        if (!grants_.whole(*at)) {
            ++at;
            continue;
        }
        auto &one = users_.at(*at);
        if (!one.told)
            one.told = grants_.reading_of(*at);
        into.push_back({number, epoch_, one.ticket, one.user, *one.told, std::nullopt});
        at = asking_.erase(at);
    }
}

} // namespace walcast
