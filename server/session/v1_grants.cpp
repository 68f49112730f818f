// The part of v1_session that makes topics of users' grants what topics of records are.

#include "server/session/topic_hub.hpp"
#include "server/session/v1_session.hpp"

#include <algorithm>
#include <utility>

namespace walcast {

using standing = v1_subscription::standing;

void v1_session::subscribe_grants(v1_subscription made, const v1_subscribe &request, std::string_view user) {
    const uuid_text uuid(user);
    if (managers_key(uuid.view()).empty())
        return fail(made.id, v1_error::unknown_topic, "this is no uuid of a user");
    if (!allowed_by_scopes(user))
        return fail(made.id, v1_error::not_allowed, "the scopes of the token do not allow it");
    made.hash = stable_hash(made.topic);
    made.after = request.after;
    auto &one = subscriptions_.emplace_back(std::move(made));
    by_id_[one.id] = &one;
    hub_.grants().join(one, uuid);
    watch(one);
    check(one);
}

uuid_text v1_session::subject_of(const v1_subscription &one) {
    return one.record != nullptr ? one.record->uuid : one.grants->user;
}

bool v1_session::is_asked(const v1_subscription &one) {
    return one.record != nullptr ? one.record->asked_for : one.grants->asked > 0;
}

void v1_session::confirm(v1_subscription &one) {
    if (one.record != nullptr)
        hub_.want_snapshot(*one.record);
    else
        hub_.grants().confirm(*one.grants);
}

bool v1_session::is_known(const v1_subscription &one) {
    if (one.grants != nullptr)
        return one.grants->now.has_value();
    return one.record == nullptr || !one.record->asked_for;
}

bool v1_session::reaches(const v1_subscription &one) {
    auto from = hub_.window().first_behind(one.at);
    if (one.is == standing::live) // nothing happened before the cursor that it was not sent
        from = std::max(from, cursor_);
    if (!one.grants->reaches(from)) {
        grants_desk::places back;
        back.add(*one.grants, from);
        hub_.grants().reach_back(back);
    }
    return one.grants->reaches(from);
}

} // namespace walcast
