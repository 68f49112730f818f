// The part of v1_session that subscribes: who may, from where, and what becomes of it.

#include "server/session/topic_hub.hpp"
#include "server/session/v1_session.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace walcast {

using standing = v1_subscription::standing;

namespace {
constexpr std::string_view record_prefix = "record/";
constexpr std::string_view grants_prefix = "grants/";
/// Memory that the filters of one session may hold.
constexpr std::size_t most_filter_bytes = std::size_t{8} << 20;
/// A token may come from another shard, which was a moment ahead.
constexpr std::chrono::milliseconds ahead_patience{2'000};
} // namespace

void v1_session::subscribe(v1_subscribe request) {
    if (!hub_.exact())
        return fail(request.id, v1_error::unavailable,
                    "the relay has no replication slot to follow the database by");
    if (!alive())
        return fail(request.id, v1_error::unauthorized, "subscribing needs a good token");
    if (find(request.id) != nullptr)
        return fail(request.id, v1_error::bad_request, "there is a subscription with this id");
    if (subscriptions_.size() >= hub_.events().limits().max_subscriptions)
        return fail(
            request.id, v1_error::too_many_subscriptions,
            fmt::format("a session has {} subscriptions at most", hub_.events().limits().max_subscriptions));
    v1_subscription made;
    made.owner = this;
    made.id = request.id;
    made.topic = request.topic;
    made.latest = request.latest;
    made.snapshots = request.snapshot;
    if (request.topic == "events")
        return subscribe_events(std::move(made), request);
    if (request.topic.starts_with(record_prefix))
        return subscribe_record(std::move(made), request,
                                std::string_view(request.topic).substr(record_prefix.size()));
    if (request.topic.starts_with(grants_prefix))
        return subscribe_grants(std::move(made), request,
                                std::string_view(request.topic).substr(grants_prefix.size()));
    fail(request.id, v1_error::unknown_topic, "there is no such topic");
}

void v1_session::subscribe_record(v1_subscription made, const v1_subscribe &request, std::string_view uuid) {
    if (uuid.size() != uuid_text::full)
        return fail(made.id, v1_error::unknown_topic, "this is no uuid of an object");
    const auto *of = hub_.records().class_of(uuid);
    if (of == nullptr)
        return fail(made.id, v1_error::unknown_topic, "there is no class of objects with such uuids");
    std::string unknown;
    made.columns = hub_.records().intern(*of, request.select, unknown);
    if (!made.columns)
        return fail(made.id, v1_error::bad_request,
                    fmt::format("select: records have no column {:.64}", unknown));
    if (!allowed_by_scopes(uuid))
        return fail(made.id, v1_error::not_allowed, "the scopes of the token do not allow it");
    made.hash = stable_hash(fmt::format("{}\n{}", made.topic, made.columns->canonical()));
    made.after = request.after;
    auto &one = subscriptions_.emplace_back(std::move(made));
    by_id_[one.id] = &one;
    hub_.join(one, *hub_.records().find_or_make(uuid));
    watch(one);
    check(one);
}

void v1_session::subscribe_events(v1_subscription made, const v1_subscribe &request) {
    auto filter = event_filter::compile(request.filters);
    if (!filter)
        return fail(made.id, v1_error::bad_request, "filters: must be a list of [column, operator, operand]");
    if (filter_bytes_ + filter->footprint() > most_filter_bytes)
        return fail(made.id, v1_error::payload_too_large, "the filters of this session need too much memory");
    filter_bytes_ += filter->footprint();
    made.hash = stable_hash(fmt::format("{}\n{}", made.topic, filter->canonical()));
    made.filter = std::make_shared<const event_filter>(std::move(*filter));
    made.after = request.after;
    auto &one = subscriptions_.emplace_back(std::move(made));
    by_id_[one.id] = &one;
    hub_.filters().insert(one);
    begin(one);
}

void v1_session::unsubscribe(const std::string &id) {
    auto *one = find(id);
    if (one == nullptr)
        return fail(id, v1_error::not_found, "there is no subscription with this id");
    send(v1_end(id, "unsubscribed"));
    end(*one);
}

void v1_session::watch(v1_subscription &one) {
    one.right.reset();
    one.watching.reset();
    if (is_admin() || reader_ == reader_id::none)
        return;
    const auto subject = subject_of(one);
    one.watching =
        hub_.outside().watch(reader_, one.record != nullptr ? subject : managers_key(subject.view()));
}

bool v1_session::may_see(const v1_subscription &one) const {
    if (!alive())
        return false;
    if (!one.has_state())
        return true;
    if (!allowed_by_scopes(subject_of(one).view()))
        return false;
    if (is_admin())
        return true;
    return one.right && *one.right != object_verdict::finding::hidden;
}

void v1_session::check(v1_subscription &one) {
    if (one.waits || (!is_admin() && !one.right))
        return; // the judge will tell, or the stream comes as far as the token
    const bool readable = may_see(one) && (one.told || one.right != object_verdict::finding::gone);
    if (!readable && !one.told && !std::exchange(one.confirmed, true)) {
        // A grant may have been committed before the client asked, and not be in the stream yet: the answer
        // waits for the stream to come as far as the database was then.
        return confirm(one);
    }
    if (!readable)
        return is_asked(one) ? void() : not_found(one);
    one.allowed = true;
    begin(one);
}

void v1_session::begin(v1_subscription &one) {
    if (one.after) {
        position at;
        std::int64_t row_id = 0;
        const auto token = std::move(*one.after);
        one.after.reset();
        const auto bad = look_at_token(one, token, at, row_id);
        if (bad == v1_reset::ahead) {
            // Or it is of a shard that is a moment ahead of this one.
            one.is = standing::checking;
            return wait_for(one, token, at);
        }
        if (bad)
            return reset(one, *bad);
        resume(one, at, row_id);
        return;
    }
    if (!one.has_state())
        return send_live(one);
    want_state(one);
}

void v1_session::want_state(v1_subscription &one) {
    one.is = standing::waiting;
    if (one.grants != nullptr) {
        hub_.grants().want(*one.grants);
        if (one.grants->now)
            snapshot_arrived(one);
    } else if (one.record->image.complete())
        snapshot_arrived(one);
    else
        hub_.want_snapshot(*one.record);
}

void v1_session::resume(v1_subscription &one, position at, std::int64_t row_id) {
    one.is = standing::resuming;
    one.at = at;
    one.told = true;
    if (one.grants != nullptr) {
        hub_.grants().want(*one.grants);
        return one.grants->now ? hub_.want_resume(one) : void();
    }
    if (one.record == nullptr) {
        one.allowed = true;
        stop_at(std::min(flowing_ ? hub_.window().processed() : cursor_, hub_.window().first_behind(at)));
        return pump();
    }
    one.row_id = row_id;
    one.guessed = row_id == 0 && one.record->of->has_row_ids();
    hub_.records().note_row_id(*one.record, row_id, one.record->row_id == 0);
    // Without the row, a delete of it would not be known as its.
    if (one.guessed && !one.record->image.complete())
        hub_.want_snapshot(*one.record);
    else
        snapshot_arrived(one);
}

void v1_session::wait_for(v1_subscription &one, const std::string &token, position at) {
    const auto again = [weak = weak_from_this(), id = one.id, token, hash = one.hash](bool reached) {
        const auto self = weak.lock();
        auto *still = self ? self->find(id) : nullptr;
        if (still == nullptr || still->is != standing::checking || still->hash != hash || !still->waits)
            return;
        still->waits = false;
        if (!self->may_see(*still))
            return self->not_found(*still);
        if (!reached)
            return self->reset(*still, v1_reset::ahead);
        still->after = token;
        self->begin(*still);
        self->flush();
    };
    one.waits = true;
    hub_.when_processed({at.commit.value + 1}, [again] { again(true); });
    hub_.outside().after(ahead_patience, [again] { again(false); });
}

std::optional<v1_reset> v1_session::look_at_token(const v1_subscription &one, std::string_view token,
                                                  position &at, std::int64_t &row_id) const {
    const auto said = hub_.seal().open(token);
    if (!said)
        return v1_reset::auth;
    const auto &origin = hub_.origin();
    at = said->at;
    row_id = said->row_id;
    if (said->system_identifier != origin.system_identifier)
        return v1_reset::epoch;
    if (said->timeline != origin.timeline)
        return v1_reset::timeline;
    if (said->subject != subject())
        return v1_reset::auth;
    if (said->subscription != 0 && said->subscription != one.hash)
        return v1_reset::filter;
    if (said->at < hub_.window().of().low_water())
        return origin.made_anew && said->at < before(origin.begins) ? v1_reset::epoch : v1_reset::expired;
    if (said->at > hub_.here())
        return v1_reset::ahead;
    if (one.record != nullptr && said->schema != 0) {
        const auto schema = hub_.records().schema_of(*one.record->of);
        if (schema != 0 && schema != said->schema)
            return v1_reset::schema;
    }
    return std::nullopt;
}

void v1_session::snapshot_arrived(v1_subscription &one) {
    if (one.is == standing::resuming && one.grants != nullptr)
        return hub_.want_resume(one);
    if (one.is == standing::resuming) {
        // A row that is not there any more was deleted, nobody knows when.
        if (one.guessed && one.record->image.is() == record_image::standing::absent)
            return reset(one, v1_reset::expired);
        if (one.guessed)
            one.row_id = one.record->row_id;
        return hub_.want_resume(one);
    }
    if (one.is == standing::checking && one.confirmed)
        return check(one);
    if (one.is != standing::waiting)
        return;
    if (one.grants != nullptr && !one.grants->now)
        return; // it was confirmed, and that is not all
    const bool absent = one.grants != nullptr ? !one.grants->now->exists
                                              : one.record->image.is() == record_image::standing::absent;
    if (absent && !one.told) {
        if (one.grants != nullptr && !std::exchange(one.confirmed, true))
            return confirm(one);
        return one.grants != nullptr && is_asked(one) ? void() : not_found(one);
    }
    if (!has_room())
        return stop_at(hub_.unfinished()); // catch_up() goes on
    send_snapshot(one);
}

void v1_session::reset(v1_subscription &one, v1_reset why) {
    hub_.events().probe().reset(to_string(why));
    one.told = true;
    one.disturbed = one.guessed = false;
    send(v1_reset_message(one.id, why));
    if (!one.has_state())
        return send_live(one);
    if (!is_admin() && !one.right) {
        one.is = standing::checking; // then it goes on, or is silenced
        return;
    }
    if (!may_see(one))
        return silence(one, alive() ? "permission" : "token");
    want_state(one);
}

void v1_session::silence(v1_subscription &one, std::string_view reason) {
    one.is = standing::silenced;
    one.disturbed = false;
    send(v1_silenced(one.id, reason));
}

void v1_session::restore(v1_subscription &one) {
    send(v1_restored(one.id));
    if (!one.has_state())
        return send_live(one);
    want_state(one);
}

void v1_session::not_found(v1_subscription &one) {
    if (one.told)
        return silence(one, "permission");
    fail(one.id, v1_error::not_found, "there is no such object");
    end(one);
}

void v1_session::end(v1_subscription &one) {
    if (one.filter)
        filter_bytes_ -= one.filter->footprint();
    hub_.leave(one);
    by_id_.erase(one.id);
    subscriptions_.remove_if([&](const v1_subscription &each) { return &each == &one; });
}

void v1_session::fail(std::string_view id, v1_error code, std::string_view message) {
    if (code == v1_error::bad_request)
        hub_.events().probe().bad_request();
    send(v1_failure(id, code, message));
}

} // namespace walcast
