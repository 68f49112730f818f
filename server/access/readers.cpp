#include "server/access/readers.hpp"

#include "server/access/object_columns.hpp"

#include <algorithm>

namespace walcast {

namespace {

using kind = reader_term::kind;

/// One look at what is known, collecting terms and what is missing.
class look {
  public:
    look(object_cache &objects, const hidden_groups &hidden, std::int64_t at_us, rule_trace *trace)
        : objects_(objects)
        , hidden_(hidden)
        , at_us_(at_us)
        , trace_(trace) {}

    void object(std::string_view uuid, bool roles_visible_to_all) {
        const auto what = class_of(uuid);
        if (what == object_class::none)
            return content(uuid);
        if (what == object_class::keep_service)
            return add(kind::everyone);
        if (what == object_class::container)
            return container(uuid);
        if (columns_of(what).empty())
            return; // of a class without rules
        const auto *facts = find(uuid);
        if (facts == nullptr || !facts->exists)
            return;
        const auto one = *facts; // further look-ups may move it
        switch (what) {
        case object_class::collection:
            if (!(frozen(one.owner) && (trashed(one.owner) || past(one.trash_at))))
                granted(uuid, one.owner);
            return;
        case object_class::group:
            if (frozen(one.owner) && (trashed(one.owner) || past(one.trash_at)))
                return;
            add(kind::reaches, uuid);
            if (one.role && roles_visible_to_all)
                add(kind::active_users);
            return;
        case object_class::container_request:
            if (!(frozen(one.owner) && trashed(one.owner)))
                granted(uuid, one.owner);
            return;
        case object_class::workflow:
            return workflow(uuid, one);
        case object_class::user:
            return user(uuid, one);
        case object_class::link:
            if (one.permission)
                return permission(one);
            break;
        case object_class::token:
            rule_.terms.push_back({.what = kind::user_number, .uuid = {}, .number = one.user_id});
            return;
        default:
            break;
        }
        if (!trashed(one.owner))
            granted(uuid, one.owner);
    }

    reader_rule take() { return std::move(rule_); }

  private:
    /// The container's own owner plays no part, and include_trash none either.
    void container(std::string_view uuid) {
        consult(uuid);
        const auto *requests = objects_.linked_to(uuid_text(uuid));
        if (requests == nullptr) {
            rule_.missing.emplace_back(uuid);
            return;
        }
        for (const auto &request : std::vector(*requests)) {
            const auto *facts = find(request.view());
            if (facts != nullptr && facts->exists && !trashed(facts->owner))
                granted(request.view(), uuid_text(facts->owner));
        }
    }

    /// Trash plays no part, nor whether the user is active.
    void managers(std::string_view user) {
        const auto *facts = find(user);
        if (facts == nullptr || !facts->exists)
            return;
        const auto owner = facts->owner;
        add(kind::user, user);
        add(kind::reaches, user, 3);
        add(kind::owns, owner.view(), 3);
    }

    void content(std::string_view key) {
        if (const auto user = managed_user(uuid_text(key)); !user.empty())
            return managers(user.view());
        if (content_hash(uuid_text(key)).empty())
            return;
        consult(key);
        const auto *collections = objects_.linked_to(uuid_text(key));
        if (collections == nullptr) {
            rule_.missing.emplace_back(key);
            return;
        }
        for (const auto &collection : std::vector(*collections))
            object(collection.view(), false);
    }

    void workflow(std::string_view uuid, const object_facts &one) {
        if (one.linked.empty()) {
            if (!trashed(one.owner))
                granted(uuid, one.owner);
            return;
        }
        const auto *collection = find(one.linked.view());
        if (collection != nullptr && collection->exists && collection->current &&
            !trashed(collection->owner) && !past(collection->trash_at))
            granted(one.linked.view(), uuid_text(collection->owner));
    }

    /// A user who is not active is seen by itself, if at all.
    void user(std::string_view uuid, const object_facts &one) {
        if (one.redirected || trashed(one.owner))
            return;
        if (one.active)
            granted(uuid, one.owner);
        else
            add(kind::user, uuid); // whom its own row in materialized_permissions grants it
    }

    void permission(const object_facts &one) {
        add(kind::user, one.tail.view());
        add(kind::user, one.linked.view());
        add(kind::reaches, one.linked.view(), 3);
        // The owner of a container, too: who may manage it is another question than who may read it.
        if (!has_column(class_of(one.linked.view()), fact_column::owner_uuid))
            return;
        const auto *head = find(one.linked.view());
        if (head != nullptr && head->exists)
            add(kind::owns, uuid_text(head->owner).view(), 3);
    }

    void granted(std::string_view uuid, const uuid_text &owner) {
        add(kind::owns, owner.view());
        add(kind::reaches, uuid);
    }

    void add(kind what, std::string_view uuid = {}, std::uint8_t level = 1) {
        consult(uuid);
        if (what == kind::everyone || what == kind::active_users || !uuid.empty())
            rule_.terms.push_back({.what = what, .level = level, .uuid = uuid_text(uuid)});
    }

    const object_facts *find(std::string_view uuid) {
        consult(uuid);
        const auto *found = objects_.find(uuid);
        if (found == nullptr)
            rule_.missing.emplace_back(uuid);
        return found;
    }

    [[nodiscard]] bool trashed(const uuid_text &group) {
        consult(group.view());
        const auto found = hidden_.trashed.find(group);
        return found != hidden_.trashed.end() && past(found->second);
    }

    [[nodiscard]] bool frozen(const uuid_text &group) {
        consult(group.view());
        return hidden_.is_frozen(group);
    }

    [[nodiscard]] bool past(std::int64_t time_us) {
        if (time_us <= at_us_)
            return true;
        if (trace_ != nullptr)
            trace_->until_us = std::min(trace_->until_us, time_us);
        return false;
    }

    void consult(std::string_view key) {
        if (trace_ != nullptr && !key.empty())
            trace_->consulted.emplace_back(key);
    }

    object_cache &objects_;
    const hidden_groups &hidden_;
    std::int64_t at_us_;
    rule_trace *trace_;
    reader_rule rule_;
};

} // namespace

reader_rule reader_rules::readers_of(std::string_view uuid, object_cache &objects,
                                     const hidden_groups &hidden, std::int64_t at_us,
                                     rule_trace *trace) const {
    look at(objects, hidden, at_us, trace);
    at.object(uuid, roles_visible_to_all_);
    auto rule = at.take();
    if (!rule.known())
        rule.terms.clear();
    return rule;
}

} // namespace walcast
