// The part of the judge that tells what may be read, of watched objects and of users, and when that changes.

#include "server/judge/judge.hpp"

#include <algorithm>
#include <utility>

namespace walcast {

bool judge::settle_watched() {
    if (!watched_grants_.settle(transactions_, settled_grants_))
        return false; // asked for by run()
    for (const auto who : grants_.take_changed())
        watched_.note_reader(who);
    if (!watched_.unsettled())
        return true;
    if (!hidden_known_ && !polls_)
        return false; // asked for by run()
    std::vector<uuid_text> missing;
    const bool known = watched_.settle(transactions_, committed_at_, settled_, missing);
    if (!missing.empty())
        ask_for_objects(std::move(missing));
    return known;
}

void judge::answer_watched(std::int64_t now_us) {
    answer_grants();
    if (!watched_.waiting() || in_transaction_ || unfinished_ || (!hidden_known_ && !polls_))
        return;
    std::vector<uuid_text> missing, wanted;
    watched_.answer(transactions_, now_us, made_.objects, missing, wanted);
    if (!missing.empty())
        ask_for_objects(std::move(missing));
    if (!wanted.empty())
        ask_for_objects(std::move(wanted), true);
}

void judge::watch(reader_id who, const uuid_text &object, std::int64_t now_us) {
    watched_.watch(who, object, transactions_, unfinished_, made_.objects);
    answer_watched(now_us);
    hand_over();
}

void judge::unwatch(reader_id who, const uuid_text &object) {
    watched_.unwatch(who, object);
    if (!watched_.watches(who, object))
        std::erase_if(settled_,
                      [&](const object_verdict &each) { return each.who == who && each.object == object; });
}

void judge::answer_grants() {
    if (!in_transaction_ && !unfinished_)
        watched_grants_.answer(transactions_, made_.grants);
}

std::uint64_t judge::watch_grants(reader_id who, const uuid_text &user) {
    const auto ticket = watched_grants_.watch(who, user);
    answer_grants();
    hand_over();
    return ticket;
}

} // namespace walcast
