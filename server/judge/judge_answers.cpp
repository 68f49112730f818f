// The part of the judge that asks the database, and makes what it answers the state at the judge's position.

#include "server/judge/judge.hpp"

#include <algorithm>
#include <unordered_set>
#include <utility>

namespace walcast {

namespace {
constexpr std::size_t most_objects_asked = 1'000;
constexpr std::size_t most_origins_asked = 16;
/// An answer that is too old is asked for again at once, so often; then at each tick.
constexpr unsigned quick_attempts = 20;
/// How far ahead in the queue is looked for objects to ask for at the same time.
constexpr std::size_t looked_ahead = 2'000;
} // namespace

void judge::ask_for_origins() {
    if (joining_.empty() && !grants_.anybody() && watched_.empty() && watched_grants_.empty())
        return;
    if ((!hidden_known_ || polls_) && !std::exchange(hidden_asked_, true))
        ask({.hidden = true});
    while (grants_.wants()) {
        access_query query{.origins = grants_.take_wanted(most_origins_asked, last_query_ + 1)};
        counts_.loads += query.origins.size();
        if (!query.origins.empty())
            ask(std::move(query));
    }
}

void judge::ask_for_objects(std::vector<uuid_text> objects, bool waits) {
    const auto also_waits = [](const access_query &of) { return of.waits; };
    if (waits && (std::any_of(again_.begin(), again_.end(), also_waits) ||
                  std::any_of(asked_.begin(), asked_.end(),
                              [&](const auto &one) { return also_waits(one.second.query); })))
        return; // asked for when that is answered, together with what is wanted by then
    look_ahead(objects);
    std::unordered_set<uuid_text> under_way;
    for (const auto &[number, of] : asked_)
        under_way.insert(of.query.objects.begin(), of.query.objects.end());
    for (const auto &one : again_)
        under_way.insert(one.objects.begin(), one.objects.end());
    access_query query{.waits = waits};
    for (const auto &one : objects)
        if (query.objects.size() < most_objects_asked && under_way.insert(one).second)
            query.objects.push_back(one);
    if (query.objects.empty())
        return;
    counts_.lookups += query.objects.size();
    ask(std::move(query));
}

void judge::look_ahead(std::vector<uuid_text> &into) {
    std::size_t seen = 0;
    event what;
    for (const auto &next : queue_) {
        if (!next.segment || into.size() >= most_objects_asked || (polls_ && next.batch > turn_))
            return;
        for (const auto &change : next.segment->changes()) {
            if (++seen > looked_ahead)
                return;
            if (events_.read(*next.segment, change, what) != event_problem::none)
                continue;
            const auto rule = rules_.readers_of(deciding_key(what).view(), objects_, hidden_, 0);
            into.insert(into.end(), rule.missing.begin(), rule.missing.end());
        }
    }
}

void judge::ask(access_query query) {
    const auto before = std::exchange(query.number, ++last_query_);
    if (before != 0 && !query.origins.empty())
        grants_.asked_again(before, query.number);
    ++query.attempt;
    asked_[query.number] = {.query = query, .recent = recent_count_, .since = {}};
    to_.ask(std::move(query));
}

void judge::failed(access_query asked) {
    if (asked_.erase(asked.number) > 0)
        again_.push_back(std::move(asked));
}

void judge::answer(access_answer given, std::int64_t now_us) {
    if (!asked_.contains(given.number))
        return;
    if (!polls_ && given.as_of > decoded_) {
        // It may show what is still on its way here.
        to_.request_position(given.as_of);
        answers_.push_back(std::move(given));
        return;
    }
    take(std::move(given));
    run(now_us);
}

bool judge::too_old(const access_answer &given, const outstanding &of) const {
    if (polls_)
        return false;
    if (of.since.size() >= most_since)
        return true;
    const auto seen = visibility::parse(given.snapshot);
    const auto kept = recent_count_ - recent_.size();
    for (auto number = kept; number < of.recent; ++number)
        if (!seen || !seen->sees(recent_[static_cast<std::size_t>(number - kept)]))
            return true;
    return false;
}

void judge::take(access_answer given) {
    const auto found = asked_.find(given.number);
    if (found == asked_.end())
        return;
    const auto of = std::move(found->second);
    asked_.erase(found);
    if (too_old(given, of)) {
        ++counts_.retries;
        auto query = of.query;
        if (query.attempt < quick_attempts)
            ask(std::move(query));
        else
            again_.push_back(std::move(query));
        return;
    }
    past_facts past;
    std::vector<access_change> ahead;
    for (const auto &next : queue_)
        if (next.segment && !polls_) // with a listener, nothing is taken back
            past.add(*next.segment, events_, changes_, ahead);
    std::vector<grant_change> grants_ahead;
    for (const auto &change : ahead)
        if (const auto *grant = std::get_if<grant_change>(&change))
            grants_ahead.push_back(*grant);
    if (of.query.hidden)
        take_hidden(given, of, ahead);
    for (auto &rows : given.origins) {
        object_facts before;
        if (past.find(rows.user, before) == past_facts::answer::known) {
            rows.active = before.active;
            rows.admin = before.admin;
        }
        grants_.install(rows, given.number, grants_ahead);
    }
    take_objects(given, of, past);
    watched_.news();
}

void judge::take_hidden(access_answer &given, const outstanding &of, std::span<const access_change> ahead) {
    hidden_ = std::move(given.hidden);
    hidden_known_ = true;
    for (const auto &change : of.since) {
        if (const auto *trash = std::get_if<trash_change>(&change))
            hidden_.set_trashed(trash->group, trash->after);
        else if (const auto *freeze = std::get_if<freeze_change>(&change))
            hidden_.set_frozen(freeze->group, freeze->after);
    }
    for (auto at = ahead.rbegin(); at != ahead.rend(); ++at) {
        if (const auto *trash = std::get_if<trash_change>(&*at))
            hidden_.set_trashed(trash->group, trash->before);
        else if (const auto *freeze = std::get_if<freeze_change>(&*at))
            hidden_.set_frozen(freeze->group, freeze->before);
    }
}

void judge::take_objects(const access_answer &given, const outstanding &of, const past_facts &past) {
    const std::unordered_map<uuid_text, object_facts> read(given.objects.begin(), given.objects.end());
    const auto put = [&](const uuid_text &uuid) {
        object_facts facts;
        if (const auto found = read.find(uuid); found != read.end())
            facts = found->second;
        object_facts before;
        switch (past.find(uuid, before)) {
        case past_facts::answer::untouched:
            break;
        case past_facts::answer::known:
            facts = before;
            break;
        case past_facts::answer::guessed:
            ++counts_.guesses;
            facts = before;
            break;
        }
        objects_.set_read(uuid, facts);
    };
    for (const auto &uuid : of.query.objects)
        put(uuid);
    for (const auto &[key, all] : given.linked) {
        for (const auto &uuid : all)
            put(uuid);
        for (const auto &uuid : past.linked_to(key))
            put(uuid);
        objects_.complete(key);
    }
}

} // namespace walcast
