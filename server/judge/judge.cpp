#include "server/judge/judge.hpp"

#include "server/feed/elapsed.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace walcast {

namespace {

/// Facts of so many objects are kept, some 200 bytes each.
constexpr std::size_t most_objects = 100'000;
/// A transaction that changed more than this may have driven what an earlier one said out of the cache.
constexpr std::size_t heavy_transaction = 1'000;
/// More transactions than a server has backends cannot be committed and invisible.
constexpr std::size_t most_recent = 4'096;
/// How old grants may get with a listener.
constexpr std::int64_t poll_interval_us = 3'000'000;

} // namespace

judge::judge(reader_rules rules, outside to)
    : rules_(rules)
    , to_(std::move(to))
    , objects_(most_objects) {}

void judge::follow(const batch &next, std::int64_t now_us) {
    polls_ = !next.exact;
    watched_.forbid(polls_);
    watched_grants_.forbid(polls_);
    if (std::exchange(epoch_, next.epoch) != next.epoch) {
        queue_.push_back({nullptr, ++batches_, epoch_});
        // An answer may have a position of the log that was before, which this one might never reach; and
        // what comes before this place in the queue may wait for it.
        for (auto &[number, of] : std::exchange(asked_, {}))
            again_.push_back(std::move(of.query));
        answers_.clear();
    }
    if (!next.empty())
        ++batches_;
    for (const auto &segment : next.transactions) {
        queue_.push_back({segment, batches_, 0});
        queued_bytes_ += segment->footprint();
    }
    if (polls_)
        permissions_old_ = permissions_old_ || tells_of_permissions(next);
    decoded_ = next.decoded;
    const auto reached = std::partition(answers_.begin(), answers_.end(),
                                        [this](const auto &one) { return !polls_ && one.as_of > decoded_; });
    std::vector<access_answer> due(std::make_move_iterator(reached), std::make_move_iterator(answers_.end()));
    answers_.erase(reached, answers_.end());
    for (auto &one : due)
        take(std::move(one));
    run(now_us);
}

void judge::run(std::int64_t now_us) {
    now_us_ = now_us;
    do {
        judge_queue();
        hand_over();
        ask_for_origins();
        tell_ready();
        decide_waiting(now_us);
    } while (polls_ && begin_turn());
}

void judge::judge_queue() {
    bool answered = false; // once here, so that a long queue does not keep it waiting, and at the end
    for (;;) {
        if (!unfinished_) {
            if (!std::exchange(answered, true))
                answer_watched(now_us_);
            if (queue_.empty() || (polls_ && queue_.front().batch > turn_))
                break;
            const auto next = std::move(queue_.front());
            queue_.pop_front();
            if (!next.segment) {
                begin_anew(next.epoch);
                continue;
            }
            queued_bytes_ -= next.segment->footprint();
            begin(next);
            if (in_transaction_)
                continue;
            unfinished_ = true;
        }
        if (!finish())
            break;
        unfinished_ = false;
        ++transactions_;
        made_.append({.events = {},
                      .objects = std::exchange(settled_, {}),
                      .grants = std::exchange(settled_grants_, {})});
    }
    answer_watched(now_us_);
}

bool judge::begin_turn() {
    const bool over = !unfinished_ && deciding_.empty() && (queue_.empty() || queue_.front().batch > turn_);
    if (!over || (queue_.empty() && waiting_.empty()))
        return false;
    // What is being read may be of before. It is waited for all the same: begun anew each time, the reading
    // of a user's many rows might never come to its end.
    if (permissions_old_ && loading())
        return false;
    turn_ = batches_;
    deciding_ = std::exchange(waiting_, {});
    objects_.clear();
    std::erase_if(asked_, [](const auto &one) { return !one.second.query.objects.empty(); });
    if (std::exchange(permissions_old_, false)) {
        grants_.reload(false);
        hidden_known_ = hidden_asked_ = false;
    }
    return true;
}

bool judge::loading() const {
    const auto is_load = [](const access_query &of) { return of.hidden || !of.origins.empty(); };
    return std::any_of(again_.begin(), again_.end(), is_load) ||
           std::any_of(asked_.begin(), asked_.end(),
                       [&](const auto &one) { return is_load(one.second.query); });
}

bool judge::tells_of_permissions(const batch &next) {
    event what;
    for (const auto &segment : next.transactions)
        for (const auto &change : segment->changes()) {
            if (events_.read(*segment, change, what) != event_problem::none)
                continue;
            const auto changed = class_of(what.object_uuid);
            if (changed == object_class::link || changed == object_class::user ||
                changed == object_class::group)
                return true;
        }
    return false;
}

void judge::begin(const item &next) {
    const auto &segment = *next.segment;
    if (!in_transaction_) {
        open_.clear();
        weight_ = 0;
    }
    std::vector<access_change> found;
    event what;
    for (const auto &change : segment.changes()) {
        if (events_.read(segment, change, what) == event_problem::none)
            open_.push_back(deciding_key(what));
        else
            changes_.read(segment, change, found);
    }
    for (const auto &change : found)
        apply(change);
    committed_at_ = segment.committed_at();
    in_transaction_ = !segment.last();
    if (in_transaction_)
        return;
    grants_.settle();
    if (weight_ > heavy_transaction) {
        counts_.last_change_us = committed_at_;
        ++recent_count_;
        recent_.push_back(segment.xid());
        if (recent_.size() > most_recent)
            recent_.pop_front();
    }
}

void judge::begin_anew(std::uint64_t epoch) {
    objects_.clear();
    hidden_known_ = hidden_asked_ = false;
    grants_.reload(false);
    watched_.begin_anew();
    watched_grants_.begin_anew(epoch);
    asked_.clear(); // their answers may be of a log that was before
    again_.clear();
    answers_.clear();
    recent_.clear();
    recent_count_ = 0;
}

void judge::apply(const access_change &change) {
    if (!watched_.empty())
        watched_.note(change);
    for (auto &[number, of] : asked_) {
        if (of.query.hidden && of.since.size() < most_since)
            of.since.push_back(change);
    }
    if (const auto *grant = std::get_if<grant_change>(&change)) {
        grants_.apply(*grant);
        weight_ = heavy_transaction + 1;
    } else if (const auto *trash = std::get_if<trash_change>(&change)) {
        hidden_.set_trashed(trash->group, trash->after);
        weight_ = heavy_transaction + 1;
    } else if (const auto *freeze = std::get_if<freeze_change>(&change)) {
        hidden_.set_frozen(freeze->group, freeze->after);
        weight_ = heavy_transaction + 1;
    } else if (const auto *object = std::get_if<object_change>(&change)) {
        objects_.set(object->uuid, object->facts);
        if (class_of(object->uuid.view()) == object_class::user)
            grants_.set_user(object->uuid, object->facts.active, object->facts.admin);
        ++weight_;
    } else if (const auto *gone = std::get_if<object_gone>(&change)) {
        objects_.erase(gone->what, gone->row_id);
        if (gone->what == object_class::user)
            grants_.user_gone(gone->row_id);
        ++weight_;
    } else if (const auto *unknown = std::get_if<object_unknown>(&change)) {
        if (unknown->uuid.empty())
            objects_.forget(unknown->what);
        else
            objects_.forget(unknown->uuid);
        ++weight_;
    } else if (const auto *all = std::get_if<all_gone>(&change)) {
        if (all->of == all_gone::table::permissions)
            grants_.apply_all_gone();
        else if (all->of == all_gone::table::trashed)
            hidden_.trashed.clear();
        else
            hidden_.frozen.clear();
        weight_ = heavy_transaction + 1;
    }
}

bool judge::finish() {
    if (!settle_watched())
        return false;
    if (open_.empty())
        return true;
    static const auto nobody = std::make_shared<const audience>();
    std::vector<audience_ptr> made;
    made.reserve(open_.size());
    if (!grants_.anybody()) {
        made.assign(open_.size(), nobody);
    } else {
        if (!hidden_known_ || !grants_.complete())
            return false; // asked for by run()
        std::vector<uuid_text> missing;
        for (const auto &object : open_) {
            const auto rule =
                rules_.readers_of(object.view(), objects_, hidden_, polls_ ? now_us_ : committed_at_);
            missing.insert(missing.end(), rule.missing.begin(), rule.missing.end());
            if (missing.empty())
                made.push_back(grants_.audience_of(rule.terms));
        }
        if (!missing.empty()) {
            ask_for_objects(std::move(missing));
            return false;
        }
    }
    counts_.judged += made.size();
    open_.clear();
    made_.append({.events = std::move(made), .objects = {}, .grants = {}});
    return true;
}

void judge::hand_over() {
    if (made_.empty() && told_ == transactions_)
        return;
    made_.transactions = told_ = transactions_;
    to_.judged(std::exchange(made_, {}));
}

void judge::tick(std::int64_t now_us) {
    for (auto &one : std::exchange(again_, {}))
        ask(std::move(one));
    if (polls_ && grants_.anybody() && !loading() && has_elapsed(polled_at_us_, now_us, poll_interval_us)) {
        polled_at_us_ = now_us;
        grants_.reload(true);
        hidden_asked_ = false;
        ask_for_origins();
    }
    for (const auto &one : answers_)
        to_.request_position(one.as_of);
    watched_.pass(now_us);
    answer_watched(now_us);
    hand_over();
}

reader_id judge::add_reader(const uuid_text &user) {
    const auto id = grants_.add(user);
    joining_.push_back(id);
    ask_for_origins();
    tell_ready();
    return id;
}

void judge::remove_reader(reader_id one) {
    watched_.remove(one);
    watched_grants_.remove(one);
    std::erase_if(settled_, [&](const object_verdict &each) { return each.who == one; });
    grants_.remove(one);
    std::erase(joining_, one);
    for (auto *all : {&waiting_, &deciding_})
        std::erase_if(*all, [&](const question &each) { return each.who == one; });
}

void judge::tell_ready() {
    if (!hidden_known_)
        return;
    std::vector<reader_id> still;
    for (const auto id : std::exchange(joining_, {})) {
        if (grants_.ready(id))
            to_.ready(id);
        else
            still.push_back(id);
    }
    joining_.insert(joining_.end(), still.begin(), still.end());
}

void judge::decide(question one, std::int64_t now_us) {
    waiting_.push_back(std::move(one));
    if (polls_)
        run(now_us);
    else
        decide_waiting(now_us);
}

void judge::decide_waiting(std::int64_t now_us) {
    if (!polls_) {
        if (in_transaction_ || unfinished_ || !queue_.empty())
            return;
        std::move(waiting_.begin(), waiting_.end(), std::back_inserter(deciding_));
        waiting_.clear();
    }
    if (!hidden_known_ || !grants_.complete())
        return;
    std::vector<question> still;
    std::vector<uuid_text> objects;
    for (auto &one : std::exchange(deciding_, {})) {
        std::vector<bool> answers;
        bool known = true;
        for (const auto &object : one.objects) {
            const auto rule = rules_.readers_of(object.view(), objects_, hidden_, now_us);
            objects.insert(objects.end(), rule.missing.begin(), rule.missing.end());
            known = known && rule.known();
            if (known)
                answers.push_back(grants_.may_read(one.who, rule.terms));
        }
        if (known)
            one.then(std::move(answers));
        else
            still.push_back(std::move(one));
    }
    deciding_.insert(deciding_.end(), std::make_move_iterator(still.begin()),
                     std::make_move_iterator(still.end()));
    if (!objects.empty())
        ask_for_objects(std::move(objects));
}

} // namespace walcast
