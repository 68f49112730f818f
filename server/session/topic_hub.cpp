#include "server/session/topic_hub.hpp"

#include "server/feed/elapsed.hpp"
#include "server/protocol/json_time.hpp"
#include "server/session/v1_session.hpp"

#include <algorithm>
#include <utility>

namespace walcast {

namespace {
/// A user whose last session has ended is followed for so long, and so are all tokens: a client that asks
/// over HTTP has a session for each of its questions, and must not wait for what was known a moment ago.
constexpr std::int64_t attention_us = 60'000'000;
/// How often the snapshots' bound is looked at.
constexpr std::chrono::milliseconds poll_interval{250};
} // namespace

topic_hub::topic_hub(event_hub &events, const record_classes &classes, const token_seal &seal,
                     services &outside)
    : events_(events)
    , seal_(seal)
    , outside_(outside)
    , records_(classes)
    , window_(events.window())
    , desk_(window_, records_,
            {outside, [this](record_topic &topic) { arrived(topic); }, [this] { flush_dirty(); }})
    , grants_(window_,
              {outside,
               [this](lsn up_to, std::function<void()> then) { when_processed(up_to, std::move(then)); },
               [this] { flush_dirty(); }}) {}

void topic_hub::add(v1_session &session) {
    if (sessions_.empty()) {
        if (!std::exchange(attentive_, true))
            principals_.begin_anew(now()); // nobody has looked at the stream for them
        if (!std::exchange(polling_, true))
            poll();
    }
    sessions_.insert(&session);
    events_.probe().session_opened();
}

void topic_hub::remove(v1_session &session) {
    sessions_.erase(&session);
    deserted_us_ = now();
    std::erase(dirty_, &session);
    events_.probe().session_closed();
}

void topic_hub::leave(v1_subscription &one) {
    std::erase(resuming_, &one);
    filters_.erase(one);
    if (one.grants != nullptr)
        grants_.leave(one);
    if (auto *topic = one.record) {
        topic->remove(one);
        if (topic->members.empty())
            deserted_.push_back(topic->uuid);
    }
}

void topic_hub::sweep() {
    grants_.sweep();
    for (const auto &uuid : std::exchange(deserted_, {}))
        if (auto *topic = records_.find(uuid); topic && topic->members.empty()) {
            desk_.forget(*topic);
            records_.erase(*topic);
        }
}

void topic_hub::append(const batch &next, const judgement &decided) {
    const bool was_ready = std::exchange(was_ready_, events_.ready());
    if (next.epoch != epoch_ || next.origin.system_identifier != origin_.system_identifier ||
        next.origin.timeline != origin_.timeline)
        begin_epoch(next);
    origin_ = next.origin;
    judged(decided);
    if (was_ready_ && !was_ready)
        for (auto *session : std::vector(sessions_.begin(), sessions_.end()))
            session->hub_ready();
}

void topic_hub::judged(const judgement &decided) {
    audiences_.insert(audiences_.end(), decided.events.begin(), decided.events.end());
    verdicts_.insert(verdicts_.end(), decided.objects.begin(), decided.objects.end());
    reports_.insert(reports_.end(), decided.grants.begin(), decided.grants.end());
    judged_ = std::max(judged_, decided.transactions);
    advance();
}

void topic_hub::advance() {
    while (window_.processed() < std::min(judged_, window_.end())) {
        process(window_.processed());
        processing_ = false;
    }
    moment_ = 0;
    here_ = std::max(here_, before(window_.reached()));
    note_grants(window_.processed());
    note_verdicts(window_.processed());
    settle_touched();
    desk_.advanced();
    const auto reached = window_.reached();
    const auto woken = std::partition(waiters_.begin(), waiters_.end(),
                                      [&](const waiter &one) { return one.up_to > reached; });
    std::vector<waiter> due(std::make_move_iterator(woken), std::make_move_iterator(waiters_.end()));
    waiters_.erase(woken, waiters_.end());
    for (auto &one : due)
        one.then();
    flush_dirty();
    sweep();
}

void topic_hub::process(std::uint64_t number) {
    const auto one = window_[number];
    std::vector<audience_ptr> readers;
    for (std::uint32_t place = 0; place < one.events && !audiences_.empty(); ++place) {
        readers.push_back(std::move(audiences_.front()));
        audiences_.pop_front();
    }
    window_.processed_one();
    processing_ = true;
    here_ = std::max(here_, end_of(one.commit));
    if (!attentive_) {
        if (!records_.empty() || !grants_.empty())
            sweep();
        return;
    }
    if (!window_.holds(number)) {
        note_grants(number);
        processing_ = false; // nothing of it will ever be told
        return overtaken();
    }
    window_.each_segment(number, [this](const transaction &segment) {
        moment_ = segment.committed_at();
        principals_.read(segment);
    });
    note_grants(number); // so that whoever gets the state by what follows gets that of here
    principals_.complete(number, now());
    note_verdicts(number);
    if (!records_.empty())
        window_.each_segment(number, [this](const transaction &segment) { note_changes(segment); });
    settle_touched();
    if (readers.empty())
        return;
    auto &kept = past_audiences_[number] = std::move(readers);
    if (filters_.empty())
        return;
    auto place = kept.size() - events_in(number); // those of before, of a torn transaction, come first
    window_.each_segment(number, [&](const transaction &segment) { match_events(segment, kept, place); });
}

void topic_hub::note_verdicts(std::uint64_t up_to) {
    for (; !verdicts_.empty() && verdicts_.front().transaction <= up_to; verdicts_.pop_front()) {
        const auto &said = verdicts_.front();
        auto *topic = records_.find(said.object);
        if (topic == nullptr) {
            grants_.note(said);
            continue;
        }
        for (auto *member : topic->members)
            if (member->owner->reader() == said.who)
                member->right = said.is;
        touch(*topic);
    }
}

void topic_hub::note_grants(std::uint64_t up_to) {
    for (; !reports_.empty() && reports_.front().transaction <= up_to; reports_.pop_front())
        grants_.note(reports_.front(), moment_);
}

void topic_hub::touch(record_topic &topic) {
    if (!std::exchange(topic.touched, true))
        touched_.push_back(&topic);
}

void topic_hub::note_changes(const transaction &segment) {
    for (const auto &change : segment.changes()) {
        if (change.kind == change_kind::truncate && change.table != nullptr) {
            if (const auto *of = records_.class_of(*change.table))
                records_.each_of(*of, [&](record_topic &topic) {
                    note_change(topic, segment, change, record_change_type::remove);
                });
        } else if (auto *topic = records_.find(segment, change)) {
            note_change(*topic, segment, change, change_type_of(change.kind));
        }
    }
}

void topic_hub::note_change(record_topic &topic, const transaction &segment, const change &one,
                            record_change_type type) {
    const auto former = topic.image;
    if (one.kind == change_kind::truncate) {
        topic.image.set_absent();
        topic.image_changed();
    } else {
        records_.apply(topic, segment, one);
    }
    auto &made = topic.fresh.emplace_back();
    made.at = segment.position_of(one);
    made.row_id = one.kind == change_kind::truncate ? topic.row_id : records_.row_id_of(segment, one);
    topic.changed_at = made.at;
    topic.changed_us = segment.committed_at();
    topic.each_projection([&](const projection &columns) {
        std::string body;
        const bool tells =
            encode_record_change(type, former, topic.image, columns, segment.committed_at(), body);
        made.frames.emplace_back(&columns, tells ? make_frame(std::move(body)) : nullptr);
    });
    touch(topic);
}

void topic_hub::settle_touched() {
    for (std::size_t at = 0; at < touched_.size(); ++at) {
        auto &topic = *touched_[at];
        topic.touched = false;
        // A member may end, and be gone, by what it is told.
        for (auto *member : std::vector(topic.members))
            member->owner->settle(*member, topic.fresh);
        topic.fresh.clear();
    }
    touched_.clear();
    grants_.settle();
}

void topic_hub::match_events(const transaction &segment, std::span<const audience_ptr> readers,
                             std::size_t &place) {
    for (const auto &change : segment.changes()) {
        event found;
        if (reader_.read(segment, change, found) != event_problem::none)
            continue;
        const auto *among = place < readers.size() ? readers[place].get() : nullptr;
        ++place;
        shared_frame body;
        bool encoded = false;
        filters_.match(found, [&](indexed_filter &matched) {
            if (!std::exchange(encoded, true))
                body = encode_event(found, segment.committed_at());
            auto &one = static_cast<v1_subscription &>(matched);
            one.owner->offer_event(one, segment.position_of(change), found, among, body);
        });
    }
}

shared_frame topic_hub::encode_event(const event &what, std::int64_t committed_at) {
    const auto body = events_.encode(what);
    if (!body)
        return nullptr;
    std::string made = R"("type":"insert","record":{)" + body->bytes() + R"(,"at":)";
    append_json_time(made, committed_at > 0 ? committed_at : what.created_at);
    made += '}';
    return make_frame(std::move(made));
}

std::size_t topic_hub::events_in(std::uint64_t number) {
    std::size_t found = 0;
    event what;
    window_.each_segment(number, [&](const transaction &segment) {
        for (const auto &change : segment.changes())
            found += reader_.read(segment, change, what) == event_problem::none;
    });
    return found;
}

void topic_hub::arrived(record_topic &topic) {
    for (auto *member : std::vector(topic.members))
        member->owner->snapshot_arrived(*member);
}

void topic_hub::when_processed(lsn up_to, std::function<void()> then) {
    if (window_.reached() >= up_to)
        return then();
    waiters_.push_back({up_to, std::move(then)});
    outside_.barrier(up_to, [] {}); // has the source ask for it
}

void topic_hub::begin_epoch(const batch &next) {
    const bool other_log = next.origin.system_identifier != origin_.system_identifier ||
                           next.origin.timeline != origin_.timeline || next.decoded < window_.reached();
    const bool first = origin_.system_identifier == 0;
    epoch_ = next.epoch;
    grants_.begin_anew(epoch_);
    if (first)
        return;
    if (other_log) {
        here_ = {};
        for (auto &one : waiters_)
            one.up_to = {}; // what it waits for was of a log that is no more
    }
    principals_.begin_anew(now());
    desk_.begin_anew(other_log);
    for (auto *session : std::vector(sessions_.begin(), sessions_.end()))
        session->begin_anew(other_log ? v1_reset::timeline : v1_reset::epoch);
}

void topic_hub::overtaken() {
    principals_.begin_anew(now());
    desk_.begin_anew(false);
    for (auto *session : std::vector(sessions_.begin(), sessions_.end()))
        session->begin_anew(v1_reset::lagging);
}

void topic_hub::keep_following(const std::string &user, std::shared_ptr<void> following) {
    followed_[user] = {std::move(following), now() + attention_us};
}

void topic_hub::tick() {
    attentive_ = attentive_ && (!sessions_.empty() || !has_elapsed(deserted_us_, now(), attention_us));
    std::erase_if(followed_, [this](const auto &one) {
        return has_elapsed(one.second.until_us - attention_us, now(), attention_us);
    });
    for (auto *session : std::vector(sessions_.begin(), sessions_.end()))
        session->tick();
    while (!past_audiences_.empty() && !window_.holds(past_audiences_.begin()->first))
        past_audiences_.erase(past_audiences_.begin());
    grants_.trim();
    if (exact())
        desk_.tick(now(), !sessions_.empty());
    else
        window_.forget_before(window_.processed()); // no snapshot is ever joined to a listener's
    flush_dirty();
    sweep();
}

void topic_hub::poll() {
    if (sessions_.empty()) {
        polling_ = false;
        return;
    }
    desk_.tick(now(), true);
    outside_.after(poll_interval, [this] { poll(); });
}

void topic_hub::flush_dirty() {
    for (auto *session : std::exchange(dirty_, {}))
        session->flush();
}

void topic_hub::write_token(const v1_subscription &of, position at, std::uint64_t subject, char *into) const {
    resume_point point;
    point.system_identifier = origin_.system_identifier;
    point.timeline = origin_.timeline;
    point.at = at;
    point.subscription = of.hash;
    point.subject = subject;
    if (of.record != nullptr) {
        point.schema = records_.schema_of(*of.record->of);
        point.row_id = of.row_id;
    }
    point.issued_at_s = static_cast<std::uint32_t>(now() / 1'000'000);
    seal_.seal(point, into);
}

} // namespace walcast
